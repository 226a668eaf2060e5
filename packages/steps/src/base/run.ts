import { type StageContext, StageError, type StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { elements, type Head, type ModelManifest } from "../artifacts/manifest.ts"
import { writeModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { configText, isUnsupported, readConfig, supported, type Understood } from "./config.ts"
import { readTokenizer, writeTokenizer } from "./tokenizer.ts"
import { readWeights } from "./weights.ts"

const configOf = Effect.fnUntraced(function* (folder: string, spec: string): Effect.fn.Return<Understood, StageError> {
  const text = yield* Effect.promise(() => configText(folder))
  if (text === undefined)
    return yield* new StageError({ code: "no_config", message: `${spec} has no config.json`, hint: supported })
  const read = readConfig(text)
  if (isUnsupported(read)) {
    return yield* new StageError({ code: "unsupported_model", message: `${spec}: ${read.problem}`, hint: read.hint })
  }
  return read
})

const headOf = ({ bert, labels, pooling, thresholds }: Understood): Head | null =>
  labels === null || pooling === null
    ? null
    : {
        pooling,
        labels,
        dropout: bert.classifier_dropout ?? bert.hidden_dropout_prob,
        ...(thresholds === null ? {} : { thresholds })
      }

/** Copies a pre-trained model and its tokenizer into artifacts; weights are widened to float32, exactly. */
export const run = Effect.fn("base.run")(function* (context: StageContext) {
  const source = context.sources["model"]!
  const config = yield* configOf(source.path, source.spec)
  const weights = yield* readWeights(source.path, source.spec, config.bert, config.labels?.length ?? null)
  const files = yield* readTokenizer(source.path, source.spec)
  const tokenizer = yield* writeTokenizer(context.folder, files, config.bert)
  const manifest: ModelManifest = {
    format: "hone-model/1",
    family: config.family,
    config: config.json,
    task: config.task,
    head: headOf(config),
    tokenizer: tokenizer.content,
    trainable: null,
    base: null
  }
  const model = yield* attempt(() =>
    writeModel({ folder: context.folder, file: "model.arrow", manifest, tensors: weights.tensors })
  )
  const parameters = [...weights.tensors.values()].reduce((total, { shape }) => total + elements(shape), 0)
  const result: StageResult = {
    outputs: { model, tokenizer },
    counts: { tensors: weights.tensors.size, parameters },
    warnings: weights.warnings
  }
  return result
})
