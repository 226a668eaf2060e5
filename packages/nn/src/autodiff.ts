import type { Builder } from "./graph/Builder.ts"
import type { Tensor } from "./graph/Graph.ts"

type Named<Name extends string> = Readonly<Record<Name, Tensor>>

/** What a derivative may look at: the operation's inputs and outputs, what forward kept, and which gradients are wanted. */
export interface Derivative<In extends string, Out extends string, Keep> {
  readonly inputs: Named<In>
  readonly outputs: Named<Out>
  readonly keep: Keep
  readonly wants: (input: In) => boolean
}

interface Definition<In extends string, Out extends string, Keep, Options> {
  readonly forward: (
    g: Builder,
    inputs: Named<In>,
    options: Options
  ) => { readonly outputs: Named<Out>; readonly keep: Keep }
  /** Called with the gradient of every output; gives those of the inputs that are wanted. */
  readonly backward: (
    g: Builder,
    gradients: Named<Out>,
    at: Derivative<In, Out, Keep>,
    options: Options
  ) => Partial<Record<In, Tensor | undefined>>
}

/**
 * A coarse operation: its forward and its derivative, both in TensorFlow operations.
 *
 * Applying it records the derivative on the builder's tape only where something before it trains.
 */
export function operation<In extends string, Out extends string, Keep, Options = void>(
  name: string,
  definition: Definition<In, Out, Keep, Options>
): (g: Builder, inputs: Named<In>, options: Options) => Named<Out> {
  return (g, inputs, options) => {
    const { keep, outputs, path } = g.freshScope(name, (scope) => ({
      ...definition.forward(g, inputs, options),
      path: scope
    }))
    const inputNames = Object.keys(inputs) as Array<In>
    const outputNames = Object.keys(outputs) as Array<Out>
    if (!inputNames.some((input) => g.trains.has(inputs[input]))) return outputs
    outputNames.forEach((output) => g.trains.add(outputs[output]))
    const at = { inputs, outputs, keep, wants: (input: In) => g.trains.has(inputs[input]) }
    g.tape.push({
      inputs: inputNames.map((input) => inputs[input]),
      outputs: outputNames.map((output) => outputs[output]),
      backward: (gradients) => {
        if (gradients.some((gradient) => gradient === undefined)) throw new Error(`${name}: an output has no gradient`)
        const named = Object.fromEntries(outputNames.map((output, i) => [output, gradients[i]!])) as Record<Out, Tensor>
        // Beside what it is the derivative of: a block's time and memory are then found under the block's name.
        const result = g.at(`${path}_gradient`, () => definition.backward(g, named, at, options))
        return inputNames.map((input) => (at.wants(input) ? result[input] : undefined))
      }
    })
    return outputs
  }
}

/**
 * Gradients of a scalar with respect to `wanted`, by walking the builder's tape backwards.
 *
 * What is not reached gets no entry; a tensor used twice gets the sum.
 */
export function gradientsOf(g: Builder, loss: Tensor, wanted: ReadonlyArray<Tensor>): Map<Tensor, Tensor> {
  const parts = new Map<Tensor, Array<Tensor>>([[loss, [g.scalar(1)]]])
  const gradientOf = (tensor: Tensor): Tensor | undefined => {
    const found = parts.get(tensor)
    if (found === undefined) return undefined
    if (found.length > 1) parts.set(tensor, [g.addN(found)])
    return parts.get(tensor)![0]
  }
  for (const applied of g.tape.toReversed()) {
    if (!applied.outputs.some((output) => parts.has(output))) continue
    const gradients = applied.backward(applied.outputs.map(gradientOf))
    gradients.forEach((gradient, i) => {
      if (gradient === undefined) return
      const input = applied.inputs[i]!
      const list = parts.get(input)
      if (list === undefined) parts.set(input, [gradient])
      else list.push(gradient)
    })
  }
  const result = new Map<Tensor, Tensor>()
  for (const tensor of wanted) {
    const gradient = gradientOf(tensor)
    if (gradient !== undefined) result.set(tensor, gradient)
  }
  return result
}
