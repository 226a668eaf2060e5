import type { StageContext, StageResult } from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { type LabelColumn, labelColumn, readTable, strings } from "../arrow/reader.ts"
import { attempt } from "../attempt.ts"
import { writePredictions } from "./predictionsTable.ts"
import { bagOfWords, majorityScores } from "./rivals.ts"

/** The majority class and a bag of words, fitted on `fit` and predicting `rows`; without `fit` a table without rows. */
export const run = Effect.fn("evaluate.rivals")(function* (context: StageContext) {
  return yield* attempt(() => rivals(context))
})

const rivals = (context: StageContext): StageResult => {
  const table = readTable(context.inputs["rows"]!)
  const label = labelColumn(table, "label")
  const fitTable = context.inputs["fit"] === undefined ? undefined : readTable(context.inputs["fit"])
  if (fitTable === undefined || fitTable.numRows === 0) return none(context, label.names)
  const fitLabel = labelColumn(fitTable, "label")
  const names = [...new Set([...label.names, ...fitLabel.names])].sort()
  const fit = { texts: wholeTexts(fitTable), labels: recode(fitLabel, names) }
  const texts = wholeTexts(table)
  const bag = bagOfWords(fit, texts, names.length)
  const output = writePredictions({
    folder: context.folder,
    file: "rivals.arrow",
    rows: { rowIds: strings(table, "row_id"), texts, targets: recode(label, names) },
    labels: names,
    predictors: [
      { name: "majority", scores: majorityScores(fit, texts.length, names.length) },
      { name: "bag_of_words", scores: bag.scores }
    ]
  })
  return {
    outputs: { rivals: output },
    counts: { rows: texts.length, fit_rows: fit.texts.length, terms: bag.terms },
    warnings: bag.converged ? [] : ["the bag of words did not converge: it may be a weaker rival than it could be"]
  }
}

const none = (context: StageContext, labels: ReadonlyArray<string>): StageResult => {
  const rows = { rowIds: [], texts: [], targets: new Int32Array(0) }
  const output = writePredictions({ folder: context.folder, file: "rivals.arrow", rows, labels, predictors: [] })
  return { outputs: { rivals: output }, counts: { rows: 0 }, warnings: [] }
}

/** The text column: tokens carry it uncut, whatever the model saw of it. */
const wholeTexts = (table: Table): ReadonlyArray<string> => strings(table, "text")

const recode = ({ indices, names }: LabelColumn, all: ReadonlyArray<string>): Int32Array => {
  const places = names.map((name) => all.indexOf(name))
  return indices.map((index) => places[index]!)
}
