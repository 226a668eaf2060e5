import { parse } from "yaml"
import type { Json, JsonObject } from "../Json.ts"
import { paramInfos } from "../Params.ts"
import type { Registry } from "../Pipeline.ts"
import type { FaultList } from "./FaultList.ts"
import type { Lookup, Scopes } from "./Interpolate.ts"
import { interpolate } from "./Interpolate.ts"
import { isRecord } from "./SchemaFaults.ts"
import { suggest } from "./Suggest.ts"

export type Env = Readonly<Record<string, string | undefined>>

// Read as YAML reads a scalar, as `--set` does: LR=1e-4 is a number.
const scalar = (text: string): Json => {
  try {
    const value = parse(text) as Json
    return typeof value === "object" && value !== null ? text : value
  } catch {
    return text
  }
}

/** The declared variables with their values; one that is neither set nor has a default is a fault where it is declared. */
const envScope = (declared: Json | undefined, env: Env, faults: FaultList): JsonObject => {
  const entries: ReadonlyArray<readonly [string, Json | undefined, string | number]> = Array.isArray(declared)
    ? declared.map((name: Json, i) => [String(name), undefined, i] as const)
    : isRecord(declared)
      ? Object.entries(declared).map(([name, value]) => [name, value, name] as const)
      : []
  const values: Record<string, Json> = {}
  for (const [name, fallback, at] of entries) {
    const given = env[name]
    if (given !== undefined) values[name] = scalar(given)
    else if (fallback !== undefined && fallback !== null) values[name] = fallback
    else {
      faults.add(
        ["env", at],
        "value",
        "env",
        `the environment variable \`${name}\` is not set`,
        `set it (${name}=... hone run ...), or give it a default: env: { ${name}: value }`
      )
      values[name] = null
    }
  }
  return values
}

const isDeclared = (value: Json | undefined) => Array.isArray(value) || isRecord(value)

/** `${steps.NAME.with.PARAM}`: what another step was given, after its own `${...}`, or the default that it takes. */
const stepsScope = (steps: JsonObject, registry: Registry, base: () => Scopes): Lookup => {
  const open: Array<string> = []
  return (names) => {
    const [step = "", block, ...path] = names
    const written = Object.hasOwn(steps, step) ? steps[step] : undefined
    if (!isRecord(written)) return { message: `no step is called \`${step}\``, hint: suggest(step, Object.keys(steps)) }
    if (block !== "with" || path.length === 0)
      return { message: "only params of a step can be named", hint: `write \${steps.${step}.with.PARAM}` }
    const id = names.join(".")
    if (open.includes(id))
      return { message: `it names itself: ${[...open, id].join(" -> ")}`, hint: "write the value once, under params" }
    let found: Json | undefined = written["with"]
    for (const name of path) found = isRecord(found) && Object.hasOwn(found, name) ? found[name] : undefined
    if (found !== undefined) {
      open.push(id)
      const { faults, value } = interpolate(found, base())
      open.pop()
      return faults[0] === undefined ? { value } : { message: faults[0].message, hint: faults[0].hint }
    }
    const definition = registry[String(written["uses"])]
    const infos = definition === undefined ? [] : paramInfos(definition.params)
    const info = infos.find(({ name }) => name === path[0])
    if (info !== undefined && path.length === 1 && info.default !== undefined) return { value: info.default as Json }
    const hint =
      info === undefined
        ? suggest(
            path[0]!,
            infos.map(({ name }) => name)
          )
        : `give ${step} the param \`${path.join(".")}\``
    return { message: `\`${step}\` has no \`${path.join(".")}\``, hint }
  }
}

/** What `${...}` may name in this file, matrix axes aside. */
export const scopesOf = (value: JsonObject, registry: Registry, env: Env, faults: FaultList): Scopes => {
  const params = isRecord(value["params"]) ? value["params"] : {}
  const steps = isRecord(value["steps"]) ? value["steps"] : {}
  const scopes: Record<string, JsonObject | Lookup> = { params }
  if (isDeclared(value["env"])) scopes["env"] = envScope(value["env"], env, faults)
  scopes["steps"] = stepsScope(steps, registry, () => scopes)
  return scopes
}
