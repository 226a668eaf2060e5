import { parse } from "yaml"
import type { Json, JsonObject } from "../Json.ts"
import type { Path } from "./Document.ts"

/** `--set tuned.learning_rate=1e-4`, read. The value is a YAML scalar or flow collection, so it has the type it would have in the file. */
export interface Override {
  readonly text: string
  /** Where it lands in the file: `params.x` at the top, `step.param` in the step's `with`. */
  readonly path: Path
  readonly value: Json
}

export const parseOverride = (text: string): Override | { readonly text: string; readonly problem: string } => {
  const equals = text.indexOf("=")
  const names = equals > 0 ? text.slice(0, equals).split(".") : []
  const isSeed = names.length === 1 && names[0] === "seed"
  if ((names.length < 2 && !isSeed) || names.some((name) => name === "")) {
    return { text, problem: "write --set params.NAME=VALUE, --set STEP.PARAM=VALUE or --set seed=N" }
  }
  const [head, ...rest] = names as [string, ...Array<string>]
  const path = head === "params" ? names : head === "seed" ? names : ["steps", head, "with", ...rest]
  try {
    return { text, path, value: parse(text.slice(equals + 1)) as Json }
  } catch (error) {
    return { text, problem: `its value is not YAML: ${String((error as Error).message).split("\n")[0]}` }
  }
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A copy of `root` with `value` at `path`; maps on the way are made where there are none. */
export const setAt = (root: Json | undefined, path: Path, value: Json): Json => {
  const [key, ...rest] = path
  if (key === undefined) return value
  const object: JsonObject = isObject(root) ? root : {}
  return { ...object, [key]: setAt(Object.hasOwn(object, String(key)) ? object[key] : undefined, rest, value) }
}
