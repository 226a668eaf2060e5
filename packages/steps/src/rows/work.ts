import type { Work } from "@hone/core/Stage"
import type { Facts } from "@hone/core/Step"

const count = (facts: Facts | undefined, unit: "rows" | "tokens"): number | null =>
  typeof facts?.[unit] === "number" ? facts[unit] : null

/** The work of reading rows once, by their number or by that of their tokens. */
export const onePass = (rows: Facts | undefined, unit: "rows" | "tokens"): Work => ({
  passes: 1,
  size: count(rows, unit)
})
