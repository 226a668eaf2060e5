import type { JsonObject } from "@hone/core/Json"
import type { Delta } from "./compare.ts"

/** Each metric of each predictor; null for a rival that the evaluations did not have. */
export const scoresOfAll = (deltas: ReadonlyArray<Delta>): JsonObject => {
  const of = (name: string) => {
    const own = deltas.filter(({ against }) => against === name)
    return own.length === 0 ? null : Object.fromEntries(own.map(({ base, metric }) => [metric, orNull(base)]))
  }
  const tuned = Object.fromEntries(deltas.map(({ metric, tuned }) => [metric, orNull(tuned)]))
  return { base: of("base"), tuned, majority: of("majority"), bag_of_words: of("bag_of_words") }
}

/** The deltas against one reference, as JSON. */
export const deltasAgainst = (deltas: ReadonlyArray<Delta>, reference: string): ReadonlyArray<JsonObject> =>
  deltas
    .filter(({ against }) => against === reference)
    .map(({ base, delta, high, low, metric, p_value, tuned }) => ({
      metric,
      base: orNull(base),
      tuned: orNull(tuned),
      delta: orNull(delta),
      low: orNull(low),
      high: orNull(high),
      p_value
    }))

/** JSON has no NaN: the correlation of what predicts one number for all is null. */
export const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null)
