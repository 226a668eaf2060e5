import type { Feeds } from "@hone/nn"
import type { Examples } from "../tensors/examples.ts"
import { targetFeed } from "../tensors/targets.ts"
import type { TrainingObjective } from "./objective.ts"

interface CommonRows {
  readonly rowIds: ReadonlyArray<string>
  /** A further head of the program, for which each row has a label too: the mean of its losses over rows is added. */
  readonly further?: string | undefined
  /** [rows] tokens of each: rows of like length share a batch */
  readonly lengths: Int32Array
}

/** Rows to learn from. What is fed may differ from epoch to epoch, as a function of the seed and the epoch alone. */
export interface TrainingRows extends CommonRows {
  /** Inputs and labels of some rows, in arrays of their own. */
  readonly feeds: (rows: ReadonlyArray<number>, epoch: number) => Feeds
  /** What these rows add to the divisor of a mean loss: their number, the sum of their weights, or their masked tokens. */
  readonly weight: (rows: ReadonlyArray<number>, epoch: number) => number
  /** [rows] classes to draw equally often, where they are. */
  readonly balance?: Int32Array | undefined
}

/** Rows to choose the best weights by. */
export interface ValidationRows extends CommonRows {
  readonly feeds: (rows: ReadonlyArray<number>) => Feeds
  /** What the sum of all losses is divided by. */
  readonly count: number
  /** How many of these rows' predictions are right; null where a prediction is neither right nor wrong. */
  readonly right: ((rows: ReadonlyArray<number>, logits: Float32Array) => number) | null
}

/** Labelled rows as a training reads them. */
export const labelledRows = (
  { feeds, lengths, rowIds, targets }: Examples,
  { weightOf }: TrainingObjective,
  sampling: "all" | "balanced"
): TrainingRows => ({
  rowIds,
  lengths,
  feeds: (rows) => ({ ...feeds(rows), labels: targetFeed(targets, rows) }),
  weight: (rows) => rows.reduce((total, row) => total + weightOf(row), 0),
  balance: sampling === "balanced" && targets.kind === "classes" ? targets.classes : undefined
})

/** Labelled rows as an evaluation reads them: without weights. */
export const labelledValidation = ({ feeds, lengths, rowIds, targets }: Examples): ValidationRows => ({
  rowIds,
  lengths,
  count: rowIds.length,
  feeds: (rows) => ({ ...feeds(rows), labels: targetFeed(targets, rows) }),
  right:
    targets.kind === "classes"
      ? (rows, logits) =>
          rightLogits(
            logits,
            Int32Array.from(rows, (row) => targets.classes[row]!)
          )
      : null
})

/** Of [N, K] logits, how many rows have their largest, the first of equals, at the label. */
export const rightLogits = (logits: Float32Array, labels: Int32Array): number => {
  const width = logits.length / labels.length
  return labels.reduce((right, label, row) => right + (argmax(logits, row, width) === label ? 1 : 0), 0)
}

const argmax = (values: Float32Array, row: number, width: number): number => {
  let best = 0
  for (let index = 1; index < width; index++) {
    if (values[row * width + index]! > values[row * width + best]!) best = index
  }
  return best
}
