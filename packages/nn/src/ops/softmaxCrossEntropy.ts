import type { Builder } from "../graph/Builder.ts"
import type { Tensor } from "../graph/Graph.ts"

/** Rows with this label count nowhere. */
export const IGNORED = -100

/**
 * Losses in nats [N], zero where the label is -100, and `raw`, where such a row is taken for one of class 0; their residual
 * softmax - onehot [N, V]; and which rows are supervised [N].
 */
export function rowLosses(g: Builder, logits: Tensor, labels: Tensor) {
  const supervised = g.cast(g.notEqual(labels, g.int(IGNORED)), "float32")
  // One kernel gives losses and residual: the second is kept for the derivative.
  const [raw, residual] = g.sparseSoftmaxCrossEntropyWithLogits(logits, g.maximum(labels, g.int(0)))
  return { losses: g.mul(raw, supervised), raw, residual, supervised }
}
