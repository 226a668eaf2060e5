import type { Applied, Builder } from "./graph/Builder.ts"
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
  /**
   * Called with the gradient of every output; gives those of the inputs that are wanted. One given as a function is computed after the
   * others, and only where it is wanted: what comes before a layer, whose gradient can wait, beside the layer's weights. Engines put
   * gradients of weights off to the end of the way back, and would hold what they are made from till then.
   */
  readonly backward: (
    g: Builder,
    gradients: Named<Out>,
    at: Derivative<In, Out, Keep>,
    options: Options
  ) => Gradients<In>
}

type Gradients<In extends string> = Partial<Record<In, Tensor | (() => Tensor) | undefined>>

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
        const arrived = gradients.map((gradient) => gradient!.node)
        const backward = () => inTwoTurns(g, at, definition.backward(g, named, at, options))
        // Beside what it is the derivative of: a block's time and memory are then found under the block's name.
        const result = g.at(`${path}_gradient`, () => g.after(arrived, backward))
        return inputNames.map((input) => (at.wants(input) ? result[input] : undefined))
      }
    })
    return outputs
  }
}

/** Makes the gradients that are given as functions, once the others have been computed. */
function inTwoTurns<In extends string>(
  g: Builder,
  { wants }: { readonly wants: (input: In) => boolean },
  gradients: Gradients<In>
): Partial<Record<In, Tensor | undefined>> {
  const entries = Object.entries(gradients) as Array<[In, Gradients<In>[In]]>
  const first = entries.flatMap(([, gradient]) => (typeof gradient === "object" ? [gradient.node] : []))
  const made = entries.map(([input, gradient]) => {
    if (typeof gradient !== "function") return [input, gradient]
    return [input, wants(input) ? g.after(first, gradient) : undefined]
  })
  return Object.fromEntries(made) as Partial<Record<In, Tensor | undefined>>
}

/** Walks a tape backwards from a tensor whose gradient is known; gives what finds the gradient of any other. */
function walkBack(g: Builder, tape: ReadonlyArray<Applied>, from: Tensor, seed: Tensor) {
  const parts = new Map<Tensor, Array<Tensor>>([[from, [seed]]])
  const gradientOf = (tensor: Tensor): Tensor | undefined => {
    const found = parts.get(tensor)
    if (found === undefined) return undefined
    if (found.length > 1) parts.set(tensor, [g.addN(found)])
    return parts.get(tensor)![0]
  }
  for (const applied of tape.toReversed()) {
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
  return gradientOf
}

/**
 * Gradients of a scalar with respect to `wanted`, by walking the builder's tape backwards.
 *
 * What is not reached gets no entry; a tensor used twice gets the sum.
 */
export function gradientsOf(g: Builder, loss: Tensor, wanted: ReadonlyArray<Tensor>): Map<Tensor, Tensor> {
  const gradientOf = walkBack(g, g.tape, loss, g.scalar(1))
  const result = new Map<Tensor, Tensor>()
  for (const tensor of wanted) {
    const gradient = gradientOf(tensor)
    if (gradient !== undefined) result.set(tensor, gradient)
  }
  return result
}

/**
 * A part of the forward pass that is computed again for its derivative: of all its values only `x` is kept in between. Time for
 * memory; the numbers stay the same, dropout included, because the part is built twice from the same seeds.
 *
 * Source: Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost".
 *
 * @param body must make the same of equal inputs each time that it is called
 */
export function recomputed(g: Builder, x: Tensor, body: (x: Tensor) => Tensor): Tensor {
  const start = g.tape.length
  const y = body(x)
  const first = g.tape.splice(start)
  if (first.length === 0) return y
  const made = new Set(first.flatMap(({ outputs }) => outputs))
  const inputs = new Set(first.flatMap((applied) => applied.inputs))
  const leaves = [...inputs].filter((input) => input !== x && g.trains.has(input) && !made.has(input))
  g.tape.push({
    inputs: [x, ...leaves],
    outputs: [y],
    backward: ([dy]) => {
      // Not before the gradient has come: engines would compute the part at once, and keep it.
      const again = g.identity(x, { control: [dy!.node] })
      if (g.trains.has(x)) g.trains.add(again)
      const from = g.tape.length
      const output = body(again)
      const gradientOf = walkBack(g, g.tape.splice(from), output, dy!)
      return [again, ...leaves].map(gradientOf)
    }
  })
  return y
}
