import type { StageContext, StageResult } from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { readTable, strings } from "../arrow/reader.ts"
import { attempt } from "../attempt.ts"
import { outputNames, readTargets } from "../tensors/targets.ts"
import { shownTexts } from "../tensors/texts.ts"
import { writePredictions } from "./predictionsTable.ts"
import { bagOfWords, majorityScores } from "./rivals.ts"

/** Without a look at the texts, and by a bag of words: fitted on `fit`, predicting `rows`; without `fit` a table without rows. */
export const run = Effect.fn("evaluate.rivals")(function* (context: StageContext) {
  const table = yield* attempt(() => readTable(context.inputs["rows"]!))
  const fitInput = context.inputs["fit"]
  const fitTable = fitInput === undefined ? undefined : yield* attempt(() => readTable(fitInput))
  const isFitted = fitTable !== undefined && fitTable.numRows > 0
  const labels = namesOf(isFitted ? [table, fitTable] : [table])
  const rows = {
    rowIds: strings(table, "row_id"),
    texts: shownTexts(table),
    targets: yield* readTargets(labelled(table), labels, "rows")
  }
  const place = { folder: context.folder, file: "rivals.arrow", labels }
  if (!isFitted) return nobody(yield* attempt(() => writePredictions({ ...place, rows, predictors: [] })))
  const fit = { texts: shownTexts(fitTable), targets: yield* readTargets(labelled(fitTable), labels, "fit") }
  const made = yield* attempt(() => {
    const bag = bagOfWords(fit, rows.texts, labels.length)
    const predictors = [
      { name: "majority", scores: majorityScores(fit, rows.texts.length, labels.length) },
      { name: "bag_of_words", scores: bag.scores }
    ]
    return { bag, output: writePredictions({ ...place, rows, predictors }) }
  })
  const result: StageResult = {
    outputs: { rivals: made.output },
    counts: { rows: rows.texts.length, fit_rows: fit.texts.length, terms: made.bag.terms },
    warnings: made.bag.converged ? [] : ["the bag of words did not converge: it may be a weaker rival than it could be"]
  }
  return result
})

const labelled = (table: Table) => ({ table, rowIds: strings(table, "row_id") })

/** Names that any of the tables has, in one order. */
const namesOf = (tables: ReadonlyArray<Table>): ReadonlyArray<string> =>
  [...new Set(tables.flatMap((table) => outputNames(table)))].sort()

const nobody = (output: StageResult["outputs"][string]): StageResult => ({
  outputs: { rivals: output },
  counts: { rows: 0 },
  warnings: []
})
