import type { Tensor } from "../graph/Graph.ts"
import type { WeightSpec } from "../models/bert/weights.ts"
import { conv1d } from "../ops/conv1d.ts"
import { dropout } from "../ops/dropout.ts"
import { layerNorm } from "../ops/layerNorm.ts"
import { linear } from "../ops/linear.ts"
import { project } from "../ops/project.ts"
import { rmsNorm } from "../ops/rmsNorm.ts"
import type { NetworkContext } from "./Network.ts"

/** A dense layer with bias: [N, I] to [N, O]. */
export function dense(c: NetworkContext, name: string, x: Tensor): Tensor {
  const { y } = linear(c.g, { x, weight: c.weight(`${name}.weight`), bias: c.weight(`${name}.bias`) })
  return c.adapt(name, x, y)
}

/** A dense layer without bias. */
export const denseWithoutBias = (c: NetworkContext, name: string, x: Tensor): Tensor =>
  c.adapt(name, x, project(c.g, { x, weight: c.weight(`${name}.weight`) }).y)

/** A dense layer whose weight is stored [I, O]: GPT-2's Conv1D. */
export function denseConv1d(c: NetworkContext, name: string, x: Tensor): Tensor {
  const { y } = conv1d(c.g, { x, weight: c.weight(`${name}.weight`), bias: c.weight(`${name}.bias`) })
  return c.adapt(name, x, y)
}

export const layerNormOf = ({ g, weight }: NetworkContext, name: string, x: Tensor, eps: number): Tensor =>
  layerNorm(g, { x, weight: weight(`${name}.weight`), bias: weight(`${name}.bias`) }, { eps }).y

/** @param offset what is added to the learnt scale: 1 in Gemma, else 0 */
export const rmsNormOf = ({ g, weight }: NetworkContext, name: string, x: Tensor, eps: number, offset = 0): Tensor =>
  rmsNorm(g, { x, weight: weight(`${name}.weight`) }, { eps, offset }).y

export function dropped(c: NetworkContext, rate: number, part: string, site: number, x: Tensor): Tensor {
  const place = c.dropoutAt(rate, part, site)
  return place === undefined ? x : dropout(c.g, { x }, place).y
}

/** A block of a stack, as the context builds blocks. */
export const blockOf = (c: NetworkContext, x: Tensor, body: (x: Tensor) => Tensor): Tensor =>
  c.block === undefined ? body(x) : c.block(x, body)

export const denseSpecs = (name: string, outputs: number, inputs: number): Array<WeightSpec> => [
  { name: `${name}.weight`, shape: [outputs, inputs] },
  { name: `${name}.bias`, shape: [outputs] }
]

export const normSpecs = (name: string, width: number): Array<WeightSpec> => [
  { name: `${name}.weight`, shape: [width] },
  { name: `${name}.bias`, shape: [width] }
]

export const weightSpec = (name: string, ...shape: ReadonlyArray<number>): WeightSpec => ({
  name: `${name}.weight`,
  shape
})

/** Specs of each block, one after the other. */
export const blocksOf = (count: number, specs: (block: number) => Array<WeightSpec>): Array<WeightSpec> =>
  Array.from({ length: count }, (_, block) => specs(block)).flat()
