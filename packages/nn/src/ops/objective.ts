import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import type { Tensor } from "../graph/Graph.ts"
import { rowLosses } from "./softmaxCrossEntropy.ts"

/** What a head is trained to do. Rows add up, divided by a count that is fed, so that micro-batches add up to the batch. */
export type Objective =
  | {
      readonly kind: "cross_entropy"
      /** Share of each target that is spread evenly over all classes: Szegedy et al. 2016, `label_smoothing` of PyTorch. */
      readonly label_smoothing?: number | undefined
      /** Weight of each class: `weight` of PyTorch. Feed as `count` the sum of the rows' weights. */
      readonly class_weights?: ReadonlyArray<number> | undefined
      /** Exponent of (1 - p) in front of each row's loss: Lin et al. 2017. Without smoothing. */
      readonly focal_gamma?: number | undefined
    }
  /** Each label by itself; a row's loss is the mean over its labels. `pos_weight` as in PyTorch's `BCEWithLogitsLoss`. */
  | { readonly kind: "binary_cross_entropy"; readonly pos_weight?: ReadonlyArray<number> | undefined }
  /** One output; a row's loss is the squared difference. */
  | { readonly kind: "mean_squared_error" }

/** Losses of rows [N], and their derivative by the logits [N, K]; a row that is not supervised has zeros. */
export interface ObjectiveLosses {
  readonly losses: Tensor
  readonly residual: Tensor
}

/** 1 - p is held above this, whose power and logarithm are still numbers. */
const SMALLEST = 1e-6

/**
 * @param logits float32 [N, K]
 * @param labels int32 [N] a class or -100; float32 [N, K] zeros and ones; float32 [N] targets, by the kind of objective
 */
export function objectiveLosses(g: Builder, logits: Tensor, labels: Tensor, objective: Objective): ObjectiveLosses {
  switch (objective.kind) {
    case "cross_entropy":
      return crossEntropy(g, logits, labels, objective)
    case "binary_cross_entropy":
      return binaryCrossEntropy(g, logits, labels, objective.pos_weight)
    case "mean_squared_error": {
      const difference = g.sub(logits, g.reshape(labels, logits.shape))
      return {
        losses: g.sum(g.square(difference), [1]),
        residual: g.mul(g.scalar(2), difference)
      }
    }
  }
}

type CrossEntropy = Extract<Objective, { kind: "cross_entropy" }>

function crossEntropy(g: Builder, logits: Tensor, labels: Tensor, options: CrossEntropy): ObjectiveLosses {
  const plain = rowLosses(g, logits, labels)
  const { supervised } = plain
  const asColumn = (x: Tensor) => g.reshape(x, [logits.shape[0]!, 1])
  const { class_weights, focal_gamma = 0, label_smoothing = 0 } = options
  const classes = Number(logits.shape[1])
  const known = g.maximum(labels, g.int(0))
  if (label_smoothing > 0) {
    if (focal_gamma > 0) throw new Error("focal loss has no smoothed form")
    const { losses, residual } = softTargets(g, logits, known, plain, tableOf(classes, label_smoothing, class_weights))
    return { losses: g.mul(losses, supervised), residual: g.mul(residual, asColumn(supervised)) }
  }
  const weight =
    class_weights === undefined
      ? undefined
      : rowsOfTable(
          g,
          class_weights.map((w) => [w]),
          known
        )
  const scale = weight === undefined ? supervised : g.mul(supervised, g.reshape(weight, [logits.shape[0]!]))
  const focal = focal_gamma > 0 ? focalFactors(g, plain.losses, focal_gamma) : undefined
  return {
    losses: g.mul(focal === undefined ? plain.losses : g.mul(plain.losses, focal.loss), scale),
    residual: g.mul(plain.residual, asColumn(focal === undefined ? scale : g.mul(focal.derivative, scale)))
  }
}

/** What each true class asks of all classes: row y holds w_c ((1 - s) [c = y] + s / K). */
const tableOf = (classes: number, smoothing: number, weights: ReadonlyArray<number> | undefined) =>
  Array.from({ length: classes }, (_, truth) =>
    Array.from(
      { length: classes },
      (_, of) => (weights?.[of] ?? 1) * ((of === truth ? 1 - smoothing : 0) + smoothing / classes)
    )
  )

const rowsOfTable = (g: Builder, table: ReadonlyArray<ReadonlyArray<number>>, rows: Tensor): Tensor =>
  g.gather(g.graph.constant("float32", [table.length, table[0]!.length], table.flat()), rows)

/** -sum t log p for targets t that need not add up to one; its derivative is p sum(t) - t. */
function softTargets(
  g: Builder,
  logits: Tensor,
  labels: Tensor,
  plain: ReturnType<typeof rowLosses>,
  table: ReadonlyArray<ReadonlyArray<number>>
) {
  const targets = rowsOfTable(g, table, labels)
  const truth = rowsOfTable(g, tableOf(table.length, 0, undefined), labels)
  // log sum exp, stable because the kernel's loss is: loss = log sum exp - logit of the truth.
  const normaliser = g.add(g.reshape(plain.raw, [logits.shape[0]!, 1]), g.sum(g.mul(truth, logits), [1], true))
  const probabilities = g.add(plain.residual, truth)
  return {
    losses: g.sum(g.mul(targets, g.sub(normaliser, logits)), [1]),
    residual: g.sub(g.mul(probabilities, g.sum(targets, [1], true)), targets)
  }
}

/**
 * (1 - p)^gamma of the true class from its loss -log p, and what the derivative of the plain loss is multiplied with:
 * (1 - p)^gamma + gamma p (1 - p)^(gamma - 1) (-log p).
 */
function focalFactors(g: Builder, losses: Tensor, gamma: number) {
  const p = g.exp(g.mul(g.scalar(-1), losses))
  const rest = g.maximum(g.sub(g.scalar(1), p), g.scalar(SMALLEST))
  const power = (exponent: number) => g.exp(g.mul(g.scalar(exponent), g.log(rest)))
  const loss = power(gamma)
  const turn = g.mul(g.scalar(gamma), g.mul(p, g.mul(power(gamma - 1), losses)))
  return { loss, derivative: g.add(loss, turn) }
}

function binaryCrossEntropy(
  g: Builder,
  logits: Tensor,
  labels: Tensor,
  posWeight: ReadonlyArray<number> | undefined
): ObjectiveLosses {
  const classes = Number(logits.shape[1])
  // log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), and that of -z is z less.
  const negative = g.mul(g.scalar(-1), g.maximum(logits, g.mul(g.scalar(-1), logits)))
  const whenFalse = g.add(g.maximum(logits, g.scalar(0)), g.log(g.add(g.scalar(1), g.exp(negative))))
  const whenTrue = g.sub(whenFalse, logits)
  const weight = posWeight === undefined ? g.scalar(1) : g.graph.constant("float32", [1, classes], [...posWeight])
  const weighted = g.mul(weight, labels)
  const others = g.sub(g.scalar(1), labels)
  const p = g.mul(g.scalar(0.5), g.add(g.scalar(1), g.tanh(g.mul(g.scalar(0.5), logits))))
  const each = g.scalar(1 / classes)
  return {
    losses: g.mul(each, g.sum(g.add(g.mul(weighted, whenTrue), g.mul(others, whenFalse)), [1])),
    residual: g.mul(each, g.sub(g.mul(p, g.add(weighted, others)), weighted))
  }
}

export interface ObjectiveOptions {
  /** As `objectiveLosses` takes them. */
  readonly labels: Tensor
  /** float32 []: what the sum of the rows' losses is divided by, for the whole effective batch. */
  readonly count: Tensor
  readonly objective: Objective
}

/**
 * The loss of a batch under an objective.
 *
 * Source: `torch.nn.functional.cross_entropy` (weight, label_smoothing, ignore_index=-100), `binary_cross_entropy_with_logits`
 * (pos_weight), `mse_loss`; focal loss as Lin et al. 2017 with alpha left to the class weights.
 *
 * @param logits float32 [N, K]
 * @returns loss float32 []
 */
export const objectiveLoss = operation("objectiveLoss", {
  forward: (g, { logits }: Readonly<Record<"logits", Tensor>>, { count, labels, objective }: ObjectiveOptions) => {
    const { losses, residual } = objectiveLosses(g, logits, labels, objective)
    return { outputs: { loss: g.div(g.sum(losses, [0]), count) }, keep: { residual } }
  },
  backward: (g, { loss: dy }, { keep: { residual } }, { count }) => ({ logits: g.mul(residual, g.div(dy, count)) })
})
