import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import type { Shape } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

/** Keeps two sites of one step apart: no two sites of a model come near it. */
const SITE_STRIDE = 7919

/** Where dropout happens. `seed` int32 [2] is fed: the run and the micro-step; `site` numbers the places of a model. */
export interface DropoutSite {
  readonly rate: number
  readonly seed: Tensor
  readonly site: number
}

/**
 * Zeros with probability `rate`, else 1 / (1 - rate).
 *
 * The site is added to the run's half of the seed, not to the step's: no step then meets another step's masks.
 */
export function dropoutMask(g: Builder, shape: Shape, { rate, seed, site }: DropoutSite): Tensor {
  const uniform = g.randomUniform(shape, g.add(seed, g.ints([site * SITE_STRIDE, 0])))
  return g.mul(g.cast(g.greaterEqual(uniform, g.scalar(rate)), "float32"), g.scalar(1 / (1 - rate)))
}

/**
 * Sets elements to zero at random and scales up the rest; the same for the same seed and site on every engine.
 *
 * Source: `torch.nn.Dropout` (its law, not its random numbers).
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const dropout = operation("dropout", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, site: DropoutSite) => {
    const mask = dropoutMask(g, x.shape, site)
    return { outputs: { y: g.mul(x, mask) }, keep: { mask } }
  },
  backward: (g, { y: dy }, { keep: { mask } }) => ({ x: g.mul(dy, mask) })
})
