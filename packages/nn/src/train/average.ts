import { Builder } from "../graph/Builder.ts"
import type { Graph, Variable } from "../graph/Graph.ts"
import type { ProgramFunction } from "../graph/Program.ts"

/** Where a program keeps the running average of a parameter. */
export const averageName = (parameter: string): string => `average/${parameter}`

/**
 * Functions that keep a running average of parameters beside them; training does not read it.
 *
 * - `init_average` {} makes every average its parameter's value.
 * - `average` {decay} makes it decay * average + (1 - decay) * value: a decay of 0 gives the value itself, to the bit.
 *
 * Source: Polyak and Juditsky 1992; the update of `tf.train.ExponentialMovingAverage`.
 */
export const averaging = (
  graph: Graph,
  parameters: ReadonlyArray<Variable>
): Readonly<Record<"average" | "init_average", ProgramFunction>> => {
  const of = ({ name, shape }: Variable) => graph.variable(averageName(name), shape)
  const initial = new Builder(graph, "init_average")
  const started = parameters.map((parameter) => initial.assign(of(parameter), initial.read(parameter)))
  const g = new Builder(graph, "average")
  const decay = g.feed("decay", "float32", [])
  const share = g.sub(g.scalar(1), decay)
  const moved = parameters.map((parameter) =>
    g.assign(of(parameter), g.add(g.mul(g.read(of(parameter)), decay), g.mul(g.read(parameter), share)))
  )
  return {
    init_average: initial.finish({ done: initial.scalar(1) }, { after: started }),
    average: g.finish({ done: g.scalar(1) }, { after: moved })
  }
}

/**
 * The decay of an update, counted from 1: it grows to the one asked for, so that an average does not hold on to where a short
 * training began. Source: `num_updates` of `tf.train.ExponentialMovingAverage`.
 */
export const averageDecay = (decay: number, update: number): number => Math.min(decay, (1 + update) / (10 + update))
