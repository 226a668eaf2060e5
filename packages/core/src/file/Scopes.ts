import { parse } from "yaml"
import { isRecord, type Json, type JsonObject } from "../Json.ts"
import { paramInfos } from "../Params.ts"
import { conceal, type Env, placeholder } from "../Secrets.ts"
import type { Registry } from "../Pipeline.ts"
import type { FaultList } from "./FaultList.ts"
import type { Lookup, Scopes } from "./Interpolate.ts"
import { interpolate } from "./Interpolate.ts"
import { suggest } from "./Suggest.ts"

// Read as YAML reads a scalar, as `--set` does: LR=1e-4 is a number.
const scalar = (text: string): Json => {
  try {
    const value = parse(text) as Json
    return typeof value === "object" && value !== null ? text : value
  } catch {
    return text
  }
}

interface Declared {
  readonly name: string
  readonly fallback: Json | undefined
  /** Undefined where the file says neither. */
  readonly secret: boolean | undefined
  /** Where it stands below `env`. */
  readonly at: string | number
}

const declaredIn = (declared: Json | undefined): ReadonlyArray<Declared> => {
  if (Array.isArray(declared))
    return declared.map((name: Json, at) => ({ name: String(name), fallback: undefined, secret: undefined, at }))
  if (!isRecord(declared)) return []
  return Object.entries(declared).map(([name, value]) =>
    isRecord(value)
      ? { name, fallback: value["default"], secret: value["secret"] as boolean | undefined, at: name }
      : { name, fallback: value, secret: undefined, at: name }
  )
}

/**
 * Variables whose values the environment gives and nobody else is to see: all but those that the file declares with `secret: false`. A
 * default stands in the file.
 */
export const hiddenIn = (declared: Json | undefined, env: Env): ReadonlySet<string> =>
  new Set(
    declaredIn(declared).flatMap(({ name, secret }) => (secret !== false && env[name] !== undefined ? [name] : []))
  )

// A shorter text, or a number, stands in messages by chance: it is taken out where it is known to stand.
const SHORTEST = 4

/** Takes the hidden values out of what is said, wherever they stand. */
export const concealer = (declared: Json | undefined, env: Env): (<A>(said: A) => A) => {
  const names = declaredIn(declared).flatMap(({ name, secret }) => {
    const value = env[name]
    const isTold = typeof value === "string" && value.length >= SHORTEST && typeof scalar(value) === "string"
    return secret === true || (secret !== false && isTold) ? [name] : []
  })
  return (said) => conceal(said, names, env)
}

const telling = new Set(["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"])

/** Whether a name says that its value is not for everyone: HF_TOKEN, AWS_SECRET_ACCESS_KEY, DB_PASSWORD, X_API_KEY. */
const soundsSecret = (name: string): boolean =>
  name.split("_").some((word) => telling.has(word.toUpperCase())) || /(?:API|ACCESS|PRIVATE)_KEY/iu.test(name)

/**
 * The declared variables with their values; one that is neither set nor has a default is a fault where it is declared. A secret stands
 * for itself: its value never enters the pipeline.
 */
const envScope = (declared: Json | undefined, env: Env, faults: FaultList): JsonObject => {
  const values: Record<string, Json> = {}
  for (const { at, fallback, name, secret } of declaredIn(declared)) {
    const given = env[name]
    const fault = (message: string, hint: string) => faults.add(["env", at], "value", "env", message, hint)
    values[name] = null
    if (secret === true && fallback !== undefined)
      fault(`the secret \`${name}\` has a default`, "a value in the file is no secret: remove it, or `secret: true`")
    else if (secret === undefined && soundsSecret(name))
      fault(
        `\`${name}\` sounds like a secret, and the file does not say whether it is one`,
        `declare it so: ${name}: { secret: true }; or, if it is none, ${name}: { secret: false }`
      )
    else if (given !== undefined) values[name] = secret === true ? placeholder(name) : scalar(given)
    else if (fallback !== undefined && fallback !== null) values[name] = fallback
    else
      fault(
        `the environment variable \`${name}\` is not set`,
        secret === true
          ? `set it: ${name}=... hone run ...`
          : `set it (${name}=... hone run ...), or give it a default: env: { ${name}: value }`
      )
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
      const { faults, taken, value } = interpolate(found, base())
      open.pop()
      const names = taken.flatMap((one) => one.names)
      return faults[0] === undefined ? { value, taken: names } : { message: faults[0].message, hint: faults[0].hint }
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
