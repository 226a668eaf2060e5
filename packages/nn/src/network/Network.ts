import type { Builder } from "../graph/Builder.ts"
import type { Shape } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"
import type { Feeds } from "../graph/Program.ts"
import type { WeightMatch, WeightSpec } from "../models/bert/weights.ts"
import type { DropoutSite } from "../ops/dropout.ts"
import { Philox } from "../random/philox.ts"

/** What a forward pass is built with. */
export interface NetworkContext {
  readonly g: Builder
  /** The value of a parameter by its name; it counts as used. */
  readonly weight: (name: string) => Tensor
  /** Where to drop out with that rate in the part of the model whose parameters begin with `part`; nothing where it does not train. */
  readonly dropoutAt: (rate: number, part: string, site: number) => DropoutSite | undefined
  /** `y` is what the dense layer of that name makes of `x`; gives that with what adapters add. */
  readonly adapt: (layer: string, x: Tensor, y: Tensor) => Tensor
  /** Builds a block of a stack: once, or so that its values are computed again on the way back. Left out: once. */
  readonly block?: ((x: Tensor, body: (x: Tensor) => Tensor) => Tensor) | undefined
}

/** What a forward pass ends with. */
export interface NetworkOutput {
  /** float32 [N, K] */
  readonly logits: Tensor
  /** How labels are shaped, whose product is N: ["batch"] or ["batch", "length"]. */
  readonly labelShape: Shape
  /**
   * Heads beside the first, each learning classes by cross-entropy: `labels_NAME` and `count_NAME` are fed for it, and the losses of all
   * are added up.
   */
  readonly further?: ReadonlyArray<NamedHead> | undefined
}

export interface NamedHead {
  readonly name: string
  /** float32 [N, K] */
  readonly logits: Tensor
  readonly labelShape: Shape
}

/** A model with its task: which parameters it has, and how its feeds become logits. Names are those of Hugging Face's task model. */
export interface Network {
  readonly parameters: ReadonlyArray<WeightSpec>
  /** The parameter that a tensor of a file holds; null for what is computed here, or tied to another. */
  readonly canonicalName: (fileName: string) => string | null
  /** Standard deviation of fresh matrices. */
  readonly initializer_range: number
  /** Makes its feeds, and logits from them. */
  readonly forward: (context: NetworkContext) => NetworkOutput
  /** What adapters make of a context: for whoever builds parts of the network without `forward`. */
  readonly adapted?: (context: NetworkContext) => NetworkContext
  /** Turns feeds as Hugging Face takes them into what `forward` fed: shifted labels, decoder inputs. */
  readonly prepare?: (feeds: Feeds) => Feeds
}

/** Matches a file's tensors with a network's parameters by name and shape; every misfit is listed. */
export function matchNetwork(network: Network, file: Iterable<WeightSpec>): WeightMatch {
  const expected = new Map(network.parameters.map((spec) => [spec.name, spec]))
  const found = new Map<string, string>()
  const leftOver: Array<string> = []
  const wrongShape: Array<WeightMatch["wrongShape"][number]> = []
  for (const { name: fileName, shape } of file) {
    const name = network.canonicalName(fileName)
    if (name === null) continue
    const spec = expected.get(name)
    if (spec === undefined || found.has(name)) leftOver.push(fileName)
    else {
      found.set(name, fileName)
      if (spec.shape.join() !== shape.join()) wrongShape.push({ name: fileName, expected: spec.shape, actual: shape })
    }
  }
  const missing = network.parameters.map(({ name }) => name).filter((name) => !found.has(name))
  return { found, leftOver, missing, wrongShape }
}

/**
 * Fresh weights: matrices normal(0, initializer_range), scales 1, the other vectors 0; a pure function of names, shapes and seed.
 *
 * @param seed a whole number below 2^32
 */
export function initialParameters(
  { initializer_range }: Pick<Network, "initializer_range">,
  specs: ReadonlyArray<WeightSpec>,
  seed: number
): Map<string, Float32Array> {
  return new Map(
    specs.map(({ name, shape }, index) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
      if (shape.length === 1) values.fill(name.endsWith("bias") ? 0 : 1)
      else Philox.fromSeed(seed, index).fillNormal(values, initializer_range)
      return [name, values] as const
    })
  )
}

/** Biases and scales, which weight decay leaves alone by custom. */
export function vectorsOf({ parameters }: Pick<Network, "parameters">): (name: string) => boolean {
  const vectors = new Set(parameters.filter(({ shape }) => shape.length < 2).map(({ name }) => name))
  return (name) => vectors.has(name)
}
