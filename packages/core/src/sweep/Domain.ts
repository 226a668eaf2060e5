import type { Json } from "../Json.ts"

/** The values that a searched param may take. */
export type Domain =
  | { readonly kind: "choice"; readonly values: ReadonlyArray<Json> }
  | {
      readonly kind: "number"
      readonly low: number
      readonly high: number
      /** Values are `low` and whole steps above it; null: any between the ends. */
      readonly step: number | null
      readonly isLog: boolean
      /** How many values a grid takes, where it does not follow from the step. */
      readonly points: number | null
    }

/** Significant digits of a drawn number: a learning rate is written down and typed again by people. */
const digits = 6

const rounded = (value: number): number => Number(value.toPrecision(digits))

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value))

/** How many values a domain has; Infinity for an interval. */
export const sizeOf = (domain: Domain): number =>
  domain.kind === "choice"
    ? domain.values.length
    : domain.step === null
      ? domain.low === domain.high
        ? 1
        : Infinity
      : Math.floor((domain.high - domain.low) / domain.step + 1e-9) + 1

/** The nearest value of a domain of numbers: on its steps, within its ends, in few digits. */
export const settled = (domain: Extract<Domain, { kind: "number" }>, value: number): number => {
  const { high, low, step } = domain
  if (step === null) return clamp(rounded(clamp(value, low, high)), low, high)
  const at = clamp(Math.round((value - low) / step), 0, sizeOf(domain) - 1)
  return Number((low + at * step).toPrecision(12))
}

/** The value at a share of the domain, 0 to below 1: evenly over choices, steps, an interval or its logarithm. */
export const valueAt = (domain: Domain, share: number): Json => {
  if (domain.kind === "choice")
    return domain.values[Math.min(domain.values.length - 1, Math.floor(share * domain.values.length))]!
  const { high, isLog, low, step } = domain
  // Half a step beyond either end, so that the values at the ends are as likely as the others.
  const [from, to] = step === null ? [low, high] : [low - step / 2, low + (sizeOf(domain) - 0.5) * step]
  if (!isLog) return settled(domain, from + share * (to - from))
  const [a, b] = [Math.log(Math.max(from, low / 2)), Math.log(to)]
  return settled(domain, Math.exp(a + share * (b - a)))
}

/** Every value of a grid over the domain; undefined where neither steps nor `points` say which. */
export const gridOf = (domain: Domain): ReadonlyArray<Json> | undefined => {
  if (domain.kind === "choice") return domain.values
  const { high, isLog, low, points } = domain
  const size = sizeOf(domain)
  if (points === null || points >= size) {
    return size === Infinity
      ? undefined
      : Array.from({ length: size }, (_, at) => settled(domain, low + at * (domain.step ?? 0)))
  }
  const share = (at: number) => (points === 1 ? 0.5 : at / (points - 1))
  const value = (at: number) => (isLog ? low * (high / low) ** share(at) : low + share(at) * (high - low))
  return [...new Set(Array.from({ length: points }, (_, at) => settled(domain, value(at))))]
}
