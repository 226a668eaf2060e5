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
 * Which elements stay, as bool: false with probability `rate`. A derivative keeps this, at a byte an element.
 *
 * The site is added to the run's half of the seed, not to the step's: no step then meets another step's masks.
 */
export function dropoutStays(g: Builder, shape: Shape, { rate, seed, site }: DropoutSite): Tensor {
  const uniform = g.randomUniform(shape, g.add(seed, g.ints([site * SITE_STRIDE, 0])))
  return g.greaterEqual(uniform, g.scalar(rate))
}

/** x where it stays, scaled up by 1 / (1 - rate), and else zero. @param stays bool in the shape of `x`; left out, x itself */
export function droppedBy(g: Builder, x: Tensor, stays: Tensor | undefined, site: DropoutSite | undefined): Tensor {
  if (stays === undefined || site === undefined) return x
  return g.mul(x, g.mul(g.cast(stays, "float32"), g.scalar(1 / (1 - site.rate))))
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
    const stays = dropoutStays(g, x.shape, site)
    return { outputs: { y: droppedBy(g, x, stays, site) }, keep: { stays } }
  },
  backward: (g, { y: dy }, { keep: { stays } }, site) => ({ x: droppedBy(g, dy, stays, site) })
})
