import type { TargetKind } from "../tensors/outputs.ts"

/**
 * From which probability on a label is predicted, by its name: each label of rows that may have several, or one of two classes.
 */
export type Thresholds = Readonly<Record<string, number>>

/** From which probability on one of several labels is predicted that no threshold names. */
const HALF = 0.5

/**
 * Which labels a row's scores decide for, as places among `labels`: the class of the highest score (the first of equals), unless one
 * of two classes has a threshold; of several labels those that reach theirs; none where the score is a number.
 *
 * @param scores probabilities of one row, in the order of `labels`
 */
export const decide = (
  kind: TargetKind,
  labels: ReadonlyArray<string>,
  scores: Float32Array,
  thresholds?: Thresholds
): ReadonlyArray<number> => {
  switch (kind) {
    case "value":
      return []
    case "several":
      return [...labels.keys()].filter((at) => scores[at]! >= thresholdOf(thresholds, labels[at]!, HALF))
    case "classes": {
      const named = labels.length === 2 ? labels.findIndex((name) => thresholdOf(thresholds, name, -1) >= 0) : -1
      if (named < 0) return [highest(scores)]
      return [scores[named]! >= thresholds![labels[named]!]! ? named : 1 - named]
    }
  }
}

const thresholdOf = (thresholds: Thresholds | undefined, name: string, otherwise: number): number =>
  thresholds !== undefined && Object.hasOwn(thresholds, name) ? thresholds[name]! : otherwise

/** The place of the highest score, the first of equals. */
export const highest = (scores: Float32Array): number => {
  let best = 0
  for (let at = 1; at < scores.length; at++) if (scores[at]! > scores[best]!) best = at
  return best
}
