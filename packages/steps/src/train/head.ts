import { StageError } from "@hone/core/Stage"
import { type BertConfig, classifierWeights, initialWeights, poolerWeights } from "@hone/nn"
import { Effect } from "effect"
import type { Pooling } from "../artifacts/manifest.ts"
import type { Model } from "../artifacts/model.ts"

/** The head that a training starts from. */
export interface InitialHead {
  readonly pooling: Pooling
  /** In the order of the logits. */
  readonly labels: ReadonlyArray<string>
  /** Tensors that the model did not bring; empty where it brought a head for just these labels. */
  readonly fresh: ReadonlyMap<string, Float32Array>
  readonly warnings: ReadonlyArray<string>
}

const sameNames = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.every((name) => b.includes(name))

const noPooler = new StageError({
  code: "no_pooler",
  message: "pooling is `pooler`, and these weights have no pooler.dense",
  hint: "write pooling: mean"
})

/**
 * Keeps the model's own head where it has one for these labels (whatever their order: they are joined by name), else makes a
 * new one: weights normal(0, initializer_range) from the seed, biases 0, as transformers does (`beginningAt` sets others).
 */
export const initialHead = (
  model: Model,
  config: BertConfig,
  labels: ReadonlyArray<string>,
  choice: { readonly pooling: Pooling | undefined; readonly seed: number }
): Effect.Effect<InitialHead, StageError> => {
  const old = model.manifest.head
  const pooling = choice.pooling ?? old?.pooling ?? "mean"
  const has = (name: string) => model.tensors.some((tensor) => tensor.name === name)
  if (pooling === "pooler" && !poolerWeights(config).every(({ name }) => has(name))) return Effect.fail(noPooler)
  if (old !== null && sameNames(old.labels, labels) && old.pooling === pooling) {
    return Effect.succeed({ pooling, labels: old.labels, fresh: new Map(), warnings: [] })
  }
  const fresh = initialWeights(config, classifierWeights(config, labels.length), choice.seed)
  const warnings =
    old === null
      ? []
      : [
          `the model's head for ${old.labels.join(", ")} (${old.pooling}) is replaced by a new one for ${labels.join(", ")} (${pooling})`
        ]
  return Effect.succeed({ pooling, labels, fresh, warnings })
}

/** The same head with such biases of a new classifier, [labels]; one that the model brought stays as it is. */
export const beginningAt = (head: InitialHead, bias: Float32Array | undefined): InitialHead =>
  bias === undefined || !head.fresh.has("classifier.bias")
    ? head
    : { ...head, fresh: new Map([...head.fresh, ["classifier.bias", bias]]) }
