import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import type { Comparable } from "./comparable.ts"
import { lastPart, numberText, shortNames, valueText } from "./names.ts"

interface Tick {
  /** From 0 to 1 along the axis. */
  readonly at: number
  readonly text: string
}

/** A scale from a param's values, or the objective's, to places from 0 to 1. */
export interface Axis {
  readonly name: string
  readonly kind: "linear" | "log" | "category"
  readonly ticks: ReadonlyArray<Tick>
  /** The trial's own value; undefined where it has none. */
  readonly valueOf: (trial: SweepTrial) => unknown
  /** Null where the trial has no value on it: a condition left the param out, or there is no objective. */
  readonly placeOf: (trial: SweepTrial) => number | null
}

type Values = Pick<Axis, "name" | "valueOf">

/** @param ends what lies at 0 and at 1, in this order */
const numberAxis = (values: Values, ends: readonly [number, number], isLog: boolean): Axis => {
  const scale = isLog ? Math.log : (value: number) => value
  const back = isLog ? Math.exp : (value: number) => value
  const [low, high] = ends.map(scale) as [number, number]
  const place = (value: number) => (high === low ? 0.5 : Math.abs((scale(value) - low) / (high - low)))
  const shares = high === low ? [0.5] : [0, 0.25, 0.5, 0.75, 1]
  const value = (share: number) => (high === low ? ends[0] : back(low + share * (high - low)))
  return {
    ...values,
    kind: isLog ? "log" : "linear",
    ticks: shares.map((at) => ({ at, text: numberText(Number(value(at).toPrecision(3))) })),
    placeOf: (trial) => {
      const own = values.valueOf(trial)
      return typeof own === "number" ? place(own) : null
    }
  }
}

const extent = (values: ReadonlyArray<number>): readonly [number, number] => [Math.min(...values), Math.max(...values)]

const categoryAxis = (values: Values, known: ReadonlyArray<string>): Axis => {
  const place = (at: number) => (known.length === 1 ? 0.5 : at / (known.length - 1))
  return {
    ...values,
    kind: "category",
    ticks: known.map((text, at) => ({ at: place(at), text })),
    placeOf: (trial) => {
      const own = values.valueOf(trial)
      return own === undefined ? null : place(known.indexOf(valueText(own)))
    }
  }
}

const paramAxis = (
  { high, kind, low, path, values }: SweepJson["params"][number],
  name: string,
  trials: ReadonlyArray<SweepTrial>
): Axis => {
  const own = { name, valueOf: (trial: SweepTrial) => trial.params[path] }
  const tried = trials.map(own.valueOf).filter((value) => value !== undefined)
  const numbers = tried.filter((value) => typeof value === "number")
  const isNumeric = kind !== "choice" && numbers.length === tried.length && numbers.length > 0
  if (isNumeric) return numberAxis(own, extent([...numbers, low ?? numbers[0]!, high ?? numbers[0]!]), kind === "log")
  return categoryAxis(own, [...new Set([...(values ?? []), ...tried].map(valueText))])
}

/** An axis for each param in which trials differ, tied ones left out, in the order of the space. */
export const paramAxes = ({ params, trials }: Pick<SweepJson, "params" | "trials">): ReadonlyArray<Axis> => {
  const shown = params.filter(({ differs, kind }) => differs && kind !== "expr")
  const names = shortNames(shown.map(({ path }) => path))
  return shown.map((param, at) => paramAxis(param, names[at]!, trials))
}

/** What trials are held against each other by, as an axis with the best at 1; undefined where no trial has it. */
export const objectiveAxis = ({ goal, of, valueOf }: Comparable, trials: SweepJson["trials"]): Axis | undefined => {
  const values = trials.flatMap((trial) => valueOf(trial) ?? [])
  const own = { name: lastPart(of), valueOf: (trial: SweepTrial) => valueOf(trial) ?? undefined }
  if (values.length === 0) return undefined
  const [least, most] = extent(values)
  return numberAxis(own, goal === "maximize" ? [least, most] : [most, least], false)
}
