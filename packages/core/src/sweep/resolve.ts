import type { Json } from "../Json.ts"
import { asOperand, ParamMisfit } from "./expressions.ts"
import { bundlePath, isExpression, type Space, type TrialParams } from "./Sweep.ts"

/** What expressions read of a trial: its own params, else what the pipeline says. */
const lookupIn =
  ({ alias, base }: Space, params: Readonly<Record<string, Json>>) =>
  (path: string): Json | undefined => {
    if (Object.hasOwn(params, path)) return asOperand(params[path])
    const other = alias(path)
    return asOperand(Object.hasOwn(params, other) ? params[other] : base(path))
  }

/**
 * A trial's params from the drawn values: the bundle's, then each param of the space whose condition holds, ties among them. A value
 * that is not given leaves its param as the pipeline has it.
 */
export const resolve = (space: Space, drawn: (path: string) => Json | undefined): TrialParams => {
  const { bundles } = space
  const bundle = bundles.length === 1 ? 0 : drawn(bundlePath)
  const params: Record<string, Json> = { ...(typeof bundle === "number" ? bundles[bundle] : {}) }
  const lookup = lookupIn(space, params)
  for (const { from, path, when } of space.params) {
    if (when !== undefined && when.value(lookup) !== true) continue
    const value = isExpression(from) ? (from.value(lookup) as Json) : drawn(path)
    if (value === null && isExpression(from)) throw new ParamMisfit(`\`${from.text}\` gives nothing for ${path}`)
    if (value !== undefined) params[path] = value
  }
  return params
}

/** The constraints that a trial does not satisfy, by their place in the list. */
export const broken = (space: Space, params: TrialParams): ReadonlyArray<number> => {
  const lookup = lookupIn(space, params)
  return space.constraints.flatMap((constraint, at) => (constraint.value(lookup) === true ? [] : [at]))
}

/** The params where all constraints hold; undefined where they do not, or an expression has no value. */
export const resolveValid = (space: Space, drawn: (path: string) => Json | undefined): TrialParams | undefined => {
  try {
    const params = resolve(space, drawn)
    return broken(space, params).length === 0 ? params : undefined
  } catch (error) {
    if (error instanceof ParamMisfit) return undefined
    throw error
  }
}
