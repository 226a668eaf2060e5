import type { InputArtifact } from "@hone/core/Stage"
import type { Facts } from "@hone/core/Step"
import { isHigherBetter, type ScalarName, scalarNames } from "../evaluate/scalarNames.ts"

/** One metric over several trainings of one recipe. */
export interface Spread {
  readonly metric: ScalarName
  readonly mean: number
  /** Of the sample, with one degree of freedom less; null of a single training. */
  readonly sd: number | null
  readonly worst: number
  readonly best: number
}

/** The metrics artifacts that a gathered port was given, with the inputs' names, in their order. */
export const gathered = (
  inputs: Readonly<Record<string, InputArtifact>>,
  port: string
): ReadonlyArray<{ readonly name: string; readonly artifact: InputArtifact }> =>
  Object.keys(inputs)
    .filter((name) => name === port || name.startsWith(`${port}@`))
    .sort()
    .map((name) => ({ name, artifact: inputs[name]! }))

const valueOf = (facts: Facts, predictor: string, metric: ScalarName): number | undefined => {
  const value = (facts[predictor] as Readonly<Record<string, unknown>> | undefined)?.[metric]
  return typeof value === "number" ? value : undefined
}

/** Mean and spread of each metric of the model that all of the trainings have, as thresholds decide where they were chosen. */
export const spreadOver = (runs: ReadonlyArray<InputArtifact>): ReadonlyArray<Spread> =>
  scalarNames.flatMap((metric) => {
    const values = runs.flatMap(
      ({ facts }) => valueOf(facts, "model_thresholds", metric) ?? valueOf(facts, "model", metric) ?? []
    )
    if (values.length === 0 || values.length < runs.length) return []
    const mean = values.reduce((sum, value) => sum + value / values.length, 0)
    const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    const sd = values.length < 2 ? null : Math.sqrt(square / (values.length - 1))
    return [{ metric, mean, sd, ...(isHigherBetter(metric) ? { worst: low, best: high } : { worst: high, best: low }) }]
  })
