import type { ValueType } from "../expression/Language.ts"
import { PipelineFaults } from "../Fault.ts"
import type { PipelineReader } from "../file/Decode.ts"
import type { Path } from "../file/Document.ts"
import type { FaultList } from "../file/FaultList.ts"
import { pathOfName } from "../file/Overrides.ts"
import { suggest } from "../file/Suggest.ts"
import { isRecord, type Json } from "../Json.ts"
import { paramInfos } from "../Params.ts"
import type { Pipeline } from "../Pipeline.ts"
import { typeOfParam } from "./expressions.ts"
import type { SweepText } from "./SweepText.ts"

/** What the pipeline has that a sweep may name. */
export interface Params {
  /** What a path has in the pipeline as it stands; undefined for an optional param that is left out. */
  readonly base: (path: string) => Json | undefined
  readonly alias: (path: string) => string
  /** Types of all params by path, for expressions. */
  readonly types: Readonly<Record<string, ValueType>>
}

const whole = /^\$\{\s*(params\.[^{}\s]+)\s*\}$/u

const inside = (value: unknown, names: ReadonlyArray<string>): Json | undefined =>
  names.reduce<unknown>(
    (found, name) =>
      typeof found === "object" && found !== null && Object.hasOwn(found, name)
        ? (found as Record<string, unknown>)[name]
        : undefined,
    value
  ) as Json | undefined

/** The params of a pipeline as sweeps see them. */
export const paramsOf = (pipeline: Pipeline, value: Json): Params => {
  const written = (...path: ReadonlyArray<string>) => inside(value, path)
  const firstOf = (step: string) => pipeline.steps.find((candidate) => candidate.written === step)
  const base = (path: string): Json | undefined => {
    const [head = "", ...rest] = path.split(".")
    return head === "params" ? written("params", ...rest) : inside(firstOf(head)?.params, rest)
  }
  const alias = (path: string): string => {
    const [head = "", ...rest] = path.split(".")
    const text = head === "params" ? undefined : written("steps", head, "with", ...rest)
    return (typeof text === "string" ? whole.exec(text)?.[1] : undefined) ?? path
  }
  const top = written("params")
  const names = [
    ...Object.keys(isRecord(top) ? top : {}).map((name) => `params.${name}`),
    ...pipeline.steps.flatMap((step) => paramInfos(step.definition.params).map(({ name }) => `${step.written}.${name}`))
  ]
  return { base, alias, types: Object.fromEntries(names.map((name) => [name, typeOfParam(base(name))])) }
}

/** Whether a path names a param of the pipeline; if not, that is a fault at its key. */
export const checkPath = (
  path: string,
  at: Path,
  pipeline: Pipeline,
  { types }: Params,
  faults: FaultList
): boolean => {
  const refuse = (message: string, hint: string) => {
    faults.add(at, "key", "unknown_param", message, hint)
    return false
  }
  const [head = "", name = ""] = path.split(".")
  if (pathOfName(path) === undefined || path === "seed")
    return refuse(`\`${path}\` is no param`, "write STEP.PARAM or params.NAME; for other seeds there is `replicates`")
  const known = Object.keys(types)
  const steps = [...new Set(pipeline.steps.map(({ written }) => written))]
  if (head !== "params" && !steps.includes(head)) return refuse(`no step is called \`${head}\``, suggest(head, steps))
  if (known.includes(`${head}.${name}`)) return true
  const of = known.filter((one) => one.startsWith(`${head}.`)).map((one) => one.slice(head.length + 1))
  return refuse(
    head === "params" ? `there is no param \`${name}\`` : `\`${head}\` has no param \`${name}\``,
    suggest(name, of)
  )
}

/** Tries values in the pipeline, one call each: what the steps' own Schemas refuse is a fault where the sweep has it. */
export const checkValues = (
  reader: PipelineReader,
  text: SweepText,
  at: Path,
  values: ReadonlyArray<readonly [at: Path, assignment: Readonly<Record<string, Json>>]>,
  faults: FaultList
): void => {
  for (const [where, assignment] of values) {
    const place = text.place([...at, ...where], "value")
    const overrides = Object.entries(assignment).flatMap(([path, value]) => {
      const landing = pathOfName(path)
      return landing === undefined ? [] : [{ text: path, path: landing, value, place }]
    })
    const pipeline = reader.decode(overrides)
    if (!(pipeline instanceof PipelineFaults)) continue
    for (const fault of pipeline.faults) {
      // The same mistake in a step that takes the value by ${...} stands there: it is told where the value comes from.
      faults.list.push({ ...fault, ...place })
    }
  }
}
