import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import type { Tensor } from "../graph/Graph.ts"

/** Rows with this label count nowhere. */
export const IGNORED = -100

export interface CrossEntropyOptions {
  /** int32 [N]: a class, or -100. */
  readonly labels: Tensor
  /** float32 []: supervised rows of the whole effective batch, fed, so that micro-batches add up to the batch. */
  readonly count: Tensor
}

/** Losses in nats [N], zero where the label is -100; their residual softmax - onehot [N, V]; and which rows are supervised [N]. */
export function rowLosses(g: Builder, logits: Tensor, labels: Tensor) {
  const supervised = g.cast(g.notEqual(labels, g.int(IGNORED)), "float32")
  // One kernel gives losses and residual: the second is kept for the derivative.
  const [losses, residual] = g.sparseSoftmaxCrossEntropyWithLogits(logits, g.maximum(labels, g.int(0)))
  return { losses: g.mul(losses, supervised), residual, supervised }
}

/**
 * Cross-entropy in nats, summed over the rows whose label is not -100 and divided by `count`.
 *
 * Source: `torch.nn.functional.cross_entropy` with `ignore_index=-100`. Golden: test/golden/minilm.
 *
 * @param logits float32 [N, V], not normalised
 * @returns loss float32 []
 */
export const softmaxCrossEntropy = operation("softmaxCrossEntropy", {
  forward: (g, { logits }: Readonly<Record<"logits", Tensor>>, { count, labels }: CrossEntropyOptions) => {
    const { losses, residual, supervised } = rowLosses(g, logits, labels)
    return { outputs: { loss: g.div(g.sum(losses, [0]), count) }, keep: { residual, supervised } }
  },
  backward: (g, { loss: dy }, { inputs: { logits }, keep: { residual, supervised } }, { count }) => {
    const weight = g.reshape(g.mul(supervised, g.div(dy, count)), [logits.shape[0]!, 1])
    return { logits: g.mul(residual, weight) }
  }
})
