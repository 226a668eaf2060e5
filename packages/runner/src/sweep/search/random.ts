import { valueAt } from "@hone/core/sweep/Domain"
import { drawFor } from "@hone/core/sweep/draw"
import type { Dimension } from "@hone/core/sweep/Sweep"
import type { Propose } from "./Sampler.ts"

/** Each dimension by itself and each trial by itself: one more dimension or trial changes no other draw. */
export const random = (dimensions: ReadonlyArray<Dimension>, seed: number): Propose => {
  const domains = new Map(dimensions.map(({ domain, path }) => [path, domain]))
  return (n, attempt) => (path) => {
    const domain = domains.get(path)
    return domain === undefined ? undefined : valueAt(domain, drawFor(seed, `${n}/${attempt}/${path}`)())
  }
}
