import { parse } from "yaml"
import type { Fault } from "../Fault.ts"
import { isRecord, type Json } from "../Json.ts"
import type { Path, Place } from "./Document.ts"
import { suggest } from "./Suggest.ts"

/** `--set tuned.learning_rate=1e-4`, read. The value is a YAML scalar or flow collection, so it has the type it would have in the file. */
export interface Override {
  readonly text: string
  /** Where it was written; absent: on the command line. */
  readonly place?: Place
  /** Where it lands in the file: `params.x` at the top, `step.param` in the step's `with`. */
  readonly path: Path
  readonly value: Json
}

/** Where a dotted name lands in the file: `params.x`, `seed`, `step.param`; undefined for what is none. */
export const pathOfName = (text: string): Path | undefined => {
  const names = text.split(".")
  if (text === "seed") return names
  if (names.length < 2 || names.some((name) => name === "")) return undefined
  const [head, ...rest] = names as [string, ...Array<string>]
  return head === "params" ? names : ["steps", head, "with", ...rest]
}

const parseOverride = (text: string): Override | { readonly text: string; readonly problem: string } => {
  const equals = text.indexOf("=")
  const path = equals > 0 ? pathOfName(text.slice(0, equals)) : undefined
  if (path === undefined)
    return { text, problem: "write --set params.NAME=VALUE, --set STEP.PARAM=VALUE or --set seed=N" }
  try {
    return { text, path, value: parse(text.slice(equals + 1)) as Json }
  } catch (error) {
    const quoted = JSON.stringify(text.slice(equals + 1))
    const why = String((error as Error).message).split(/ at line|\n/u)[0]
    return { text, problem: `its value is not YAML (${why}); as a text: --set '${text.slice(0, equals)}=${quoted}'` }
  }
}

/** A copy of `root` with `value` at `path`; maps on the way are made where there are none. */
export const setAt = (root: Json | undefined, path: Path, value: Json): Json => {
  const [key, ...rest] = path
  if (key === undefined) return value
  const object = isRecord(root) ? root : {}
  return { ...object, [key]: setAt(Object.hasOwn(object, String(key)) ? object[String(key)] : undefined, rest, value) }
}

/** The file's value with each override put where it belongs. */
export const withOverrides = (value: Json, overrides: ReadonlyArray<Override>): Json =>
  overrides.reduce((result, override) => setAt(result, override.path, override.value), value)

/** Applies every `--set` that names something the file has; the others are faults of their own. */
export const applyOverrides = (
  value: Json,
  sets: ReadonlyArray<string>
): { readonly value: Json; readonly overrides: ReadonlyArray<Override>; readonly faults: ReadonlyArray<Fault> } => {
  const overrides: Array<Override> = []
  const faults: Array<Fault> = []
  const refuse = (text: string, message: string, hint: string) =>
    faults.push({ file: `--set ${text}`, line: 1, column: 1, length: text.length, code: "set", message, hint })
  for (const set of sets) {
    const override = parseOverride(set)
    if ("problem" in override) {
      refuse(set, "this does not set anything", override.problem)
      continue
    }
    const [head, name] = override.path as [string, string]
    const block = isRecord(value) && isRecord(value[head]) ? value[head] : {}
    if (head !== "seed" && !Object.hasOwn(block, name)) {
      refuse(set, `there is no ${head === "params" ? "param" : "step"} \`${name}\``, suggest(name, Object.keys(block)))
      continue
    }
    overrides.push(override)
  }
  return { value: withOverrides(value, overrides), overrides, faults }
}
