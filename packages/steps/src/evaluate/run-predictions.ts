import { type InputArtifact, type StageContext, StageError, type StageResult } from "@hone/core/Stage"
import { type BertConfig, parseBertConfig } from "@hone/nn"
import { Effect } from "effect"
import type { Head } from "../artifacts/manifest.ts"
import { type Model, readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { readFeatures } from "../features/read.ts"
import { stageEngine } from "../tensors/engine.ts"
import { cutOfFeatures, inputFeeds } from "../tensors/examples.ts"
import { targetKindOfTask } from "../tensors/outputs.ts"
import { outputNames, readTargets } from "../tensors/targets.ts"
import { shownTexts } from "../tensors/texts.ts"
import { readTokens, type Tokens } from "../tensors/tokens.ts"
import type { EvaluateParams } from "./params.ts"
import { predict } from "./predict.ts"
import { writePredictions } from "./predictionsTable.ts"
import { probe } from "./probe.ts"

/** Predicts every row, by the model's own head or by a probe of its frozen features: see README. */
export const run = Effect.fn("evaluate.predictions")(function* (context: StageContext) {
  const model = yield* attempt(() => readModel(context.inputs["model"]!, context.blobPath))
  const config = parseBertConfig(model.manifest.config)
  const rows = yield* readTokens("rows", context.inputs["rows"]!, { config, tokenizer: model.manifest.tokenizer })
  const head = (context.params as EvaluateParams).by === "probe" ? null : model.manifest.head
  const made =
    head === null
      ? yield* byProbe({ context, model, config, rows })
      : yield* byHead({ context, model, config, rows, head })
  const targets = yield* readTargets(rows, made.labels, "rows")
  const predictions = yield* attempt(() =>
    writePredictions({
      folder: context.folder,
      file: "predictions.arrow",
      rows: { rowIds: rows.rowIds, texts: shownTexts(rows.table), targets },
      labels: made.labels,
      predictors: [{ name: "model", scores: made.scores }],
      thresholds: head?.thresholds,
      facts: { how: head === null ? "probe" : "classifier", model: context.inputs["model"]!.content }
    })
  )
  const result: StageResult = {
    outputs: { predictions },
    counts: { rows: rows.rowIds.length, ...made.counts },
    warnings: made.warnings
  }
  return result
})

interface Work {
  readonly context: StageContext
  readonly model: Model
  readonly config: BertConfig
  readonly rows: Tokens
}

const byHead = Effect.fnUntraced(function* ({ config, context, head, model, rows }: Work & { readonly head: Head }) {
  // Labels first: a mismatch must not cost a pass over the rows.
  yield* readTargets(rows, head.labels, "rows")
  const features = context.inputs["features_rows"]
  const feeds = yield* attempt(() => inputFeeds(rows, features, config))
  const engine = yield* stageEngine(context.engine)
  const total = rows.rowIds.length
  const scores = yield* predict({
    model,
    head,
    kind: targetKindOfTask(model.manifest.task),
    config,
    engine,
    lengths: rows.lengths,
    feeds,
    cut: cutOfFeatures(features),
    tokenTypes: features === undefined && rows.tokenTypeIds !== undefined,
    batchSize: (context.params as EvaluateParams).batch_size,
    done: (done) => context.progress({ done, total, unit: "rows" })
  })
  return { labels: head.labels, scores, warnings: [], counts: { engine_seconds: engine.seconds() } }
})

const missingFit = new StageError({
  code: "no_fit",
  message: "the model has no head, so it is probed, and there are no rows to fit the probe on",
  hint: "connect the training rows: fit: parts.train"
})

const pooledOf = (features: InputArtifact | undefined, tokens: Tokens, what: string) =>
  attempt(() => {
    if (features === undefined) throw new Error(`a probe needs the features of its ${what}`)
    return readFeatures(features, tokens.rowIds)
  })

const byProbe = Effect.fnUntraced(function* ({ config, context, model, rows }: Work) {
  if (context.inputs["fit"] === undefined) return yield* missingFit
  const fit = yield* readTokens("fit", context.inputs["fit"], { config, tokenizer: model.manifest.tokenizer })
  if (fit.rowIds.length === 0) return yield* missingFit
  const names = outputNames(fit.table)
  yield* readTargets(rows, names, "rows")
  const x = yield* pooledOf(context.inputs["features_fit"], fit, "training rows")
  const test = yield* pooledOf(context.inputs["features_rows"], rows, "rows")
  const { converged, iterations, scores } = probe({
    x,
    targets: yield* readTargets(fit, names, "fit"),
    classes: names.length,
    test
  })
  const warnings = converged ? [] : [`the probe did not converge in ${iterations} iterations`]
  return { labels: names, scores, warnings, counts: { fit_rows: fit.rowIds.length, probe_iterations: iterations } }
})
