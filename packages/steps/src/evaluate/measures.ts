import type { Facts, Measure } from "@hone/core/Step"
import { targetKindOf } from "../tensors/outputs.ts"
import { isHigherBetter, type ScalarName, scalarNames, scalarsOf } from "./scalarNames.ts"

const measureOf = (name: ScalarName): Measure => ({
  description: `${name} of the model over the rows`,
  goal: isHigherBetter(name) ? "maximize" : "minimize",
  on: "rows",
  output: "metrics",
  read: (facts: Facts) => {
    const value = (facts["model"] as Facts | undefined)?.[name]
    return { series: [], kept: typeof value === "number" ? value : undefined }
  },
  like: name,
  fits: ({ columns }) => {
    const type = columns?.["label"]?.type
    return type === undefined || (scalarsOf(targetKindOf(type)) as ReadonlyArray<string>).includes(name)
  }
})

/** Metrics that are one number: which of them there are hangs on the task of the rows. */
export const evaluateMeasures: Readonly<Record<string, Measure>> = Object.fromEntries(
  scalarNames.map((name) => [name, measureOf(name)])
)
