import type { WeightSpec } from "../models/bert/weights.ts"
import { dropout } from "../ops/dropout.ts"
import { lowRank } from "../ops/lowRank.ts"
import { Philox } from "../random/philox.ts"
import type { Network, NetworkContext } from "./Network.ts"

/** Adapters of low rank, by the names that peft's adapter_config.json gives these. */
export interface LoraOptions {
  readonly r: number
  readonly lora_alpha: number
  readonly lora_dropout: number
  /** Scale by alpha / √r, not by alpha / r. */
  readonly use_rslora: boolean
  /** Whether the layers keep their inputs first (GPT-2's Conv1D). */
  readonly fan_in_fan_out: boolean
  /** Ends of layers' names ("q_proj"), or a regular expression that a whole name must match. */
  readonly target_modules: ReadonlyArray<string> | string
  /** Layers that train as they are: a new head. */
  readonly modules_to_save: ReadonlyArray<string>
}

/** Options that name no layer of the network, or one that cannot be adapted. */
export class BadAdapter extends Error {
  override readonly name = "BadAdapter"
  readonly layer: string
  constructor(layer: string, detail: string) {
    super(`LoRA: ${layer} ${detail}`)
    this.layer = layer
  }
}

/** A dense layer that gets an adapter, and its sizes. */
export interface Adapted {
  readonly layer: string
  readonly inputs: number
  readonly outputs: number
}

/** Dropout sites of adapters lie behind those of any model. */
const FIRST_SITE = 10_000

export const loraScale = ({ lora_alpha, r, use_rslora }: LoraOptions): number =>
  lora_alpha / (use_rslora ? Math.sqrt(r) : r)

const namesEnd = (layer: string, names: ReadonlyArray<string>): boolean =>
  names.some((name) => layer === name || layer.endsWith(`.${name}`))

function isTarget(layer: string, { target_modules: targets }: LoraOptions): boolean {
  return typeof targets === "string" ? new RegExp(`^(?:${targets})$`).test(layer) : namesEnd(layer, targets)
}

/** The layers that options name, in the order of the network's parameters. */
export function adaptedLayers(network: Pick<Network, "parameters">, options: LoraOptions): Array<Adapted> {
  const layers = network.parameters.flatMap(({ name, shape }) => {
    const layer = name.replace(/\.weight$/, "")
    if (layer === name || !isTarget(layer, options)) return []
    if (shape.length !== 2)
      throw new BadAdapter(layer, `has a weight of shape [${shape.join(", ")}], and only matrices are adapted`)
    const [first, second] = shape as readonly [number, number]
    return [
      options.fan_in_fan_out ? { layer, inputs: first, outputs: second } : { layer, inputs: second, outputs: first }
    ]
  })
  if (layers.length === 0)
    throw new BadAdapter(
      [options.target_modules].flat().join(", "),
      "names no layer of this network: see its parameters' names"
    )
  return layers
}

const nameA = (layer: string): string => `${layer}.lora_A.weight`
const nameB = (layer: string): string => `${layer}.lora_B.weight`

export const adapterSpecs = (layers: ReadonlyArray<Adapted>, { r }: LoraOptions): Array<WeightSpec> =>
  layers.flatMap(({ inputs, layer, outputs }) => [
    { name: nameA(layer), shape: [r, inputs] },
    { name: nameB(layer), shape: [outputs, r] }
  ])

/** Which parameters of an adapted network train: the adapters, and what is to be saved with them. */
export const trainsInLora =
  ({ modules_to_save }: LoraOptions) =>
  (name: string): boolean =>
    /\.lora_[AB]\.weight$/.test(name) || namesEnd(name.replace(/\.(weight|bias)$/, ""), modules_to_save)

/**
 * The same network with adapters on some of its dense layers. The graph is the network's own; each adapted layer's result passes
 * through `lowRank` on its way. Their parameters are named LAYER.lora_A.weight [r, I] and LAYER.lora_B.weight [O, r].
 *
 * Source: Hu et al. (2021); peft, whose numbers it gives.
 */
export function withLora<N extends Network>(network: N, options: LoraOptions): N {
  const layers = adaptedLayers(network, options)
  return {
    ...network,
    parameters: [...network.parameters, ...adapterSpecs(layers, options)],
    adapted: (context) => adaptContext(context, layers, options, () => undefined),
    forward: (context) => {
      const met = new Set<string>()
      const output = network.forward(adaptContext(context, layers, options, (layer) => met.add(layer)))
      const missed = layers.find(({ layer }) => !met.has(layer))
      if (missed !== undefined) throw new BadAdapter(missed.layer, "is no dense layer")
      return output
    }
  }
}

/** A context whose dense layers have adapters; `meet` hears of each that is built. */
function adaptContext(
  context: NetworkContext,
  layers: ReadonlyArray<Adapted>,
  options: LoraOptions,
  meet: (layer: string) => unknown
): NetworkContext {
  const { dropoutAt, g, weight } = context
  const sites = new Map(layers.map(({ layer }, index) => [layer, FIRST_SITE + index]))
  const scale = loraScale(options)
  return {
    ...context,
    adapt: (layer, x, plain) => {
      const y = context.adapt(layer, x, plain)
      const site = sites.get(layer)
      if (site === undefined) return y
      meet(layer)
      const place = dropoutAt(options.lora_dropout, layer, site)
      const kept = place === undefined ? x : dropout(g, { x }, place).y
      return lowRank(g, { y, x: kept, a: weight(nameA(layer)), b: weight(nameB(layer)) }, { scale }).sum
    }
  }
}

/** Fresh adapters, which change nothing yet: a uniform within 1/√I, b zero. Source: peft's `reset_lora_parameters`. */
export function initialAdapters(
  network: Pick<Network, "parameters">,
  options: LoraOptions,
  seed: number
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>()
  adaptedLayers(network, options).forEach(({ inputs, layer, outputs }, index) => {
    const a = new Float32Array(options.r * inputs)
    Philox.fromSeed(seed, index).fillUniform(a)
    const bound = 1 / Math.sqrt(inputs)
    values.set(
      nameA(layer),
      a.map((value) => (2 * value - 1) * bound)
    )
    values.set(nameB(layer), new Float32Array(outputs * options.r))
  })
  return values
}

/**
 * Weights of the plain network that compute what the adapted one does: w + scale b a, summed in double precision.
 *
 * @param network the plain one
 * @param weights of both, by name
 */
export function mergeLora(
  network: Pick<Network, "parameters">,
  options: LoraOptions,
  weights: ReadonlyMap<string, Float32Array>
): Map<string, Float32Array> {
  const merged = new Map(network.parameters.map(({ name }) => [name, weights.get(name)!] as const))
  for (const adapted of adaptedLayers(network, options)) {
    const name = `${adapted.layer}.weight`
    const a = weights.get(nameA(adapted.layer))!
    const b = weights.get(nameB(adapted.layer))!
    merged.set(name, mergeLayer(merged.get(name)!, a, b, adapted, options))
  }
  return merged
}

function mergeLayer(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  { inputs, outputs }: Adapted,
  options: LoraOptions
): Float32Array {
  const { fan_in_fan_out, r } = options
  const scale = loraScale(options)
  const result = weight.slice()
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      let sum = 0
      for (let k = 0; k < r; k++) sum += b[o * r + k]! * a[k * inputs + i]!
      const at = fan_in_fan_out ? i * outputs + o : o * inputs + i
      result[at] = weight[at]! + scale * sum
    }
  }
  return result
}
