import type { Json, JsonObject } from "../Json.ts"
import type { Path } from "./Document.ts"
import { suggest } from "./Suggest.ts"

/** Finds what stands behind the words after the first: a value, or what to say of it. */
export type Lookup = (names: ReadonlyArray<string>) =>
  | {
      readonly value: Json
      /** Environment variables that it was made from. */
      readonly taken?: ReadonlyArray<string>
    }
  | { readonly message: string; readonly hint: string }

/** What `${...}` may name: one entry for each first word (`params`): its values by name, or a way to find them. */
export type Scopes = Readonly<Record<string, JsonObject | Lookup>>

export interface InterpolationFault {
  readonly path: Path
  readonly message: string
  readonly hint: string
}

/** A place that took environment variables, by name. */
export interface Taken {
  readonly path: Path
  readonly names: ReadonlyArray<string>
}

const whole = /^\$\{([^{}]*)\}$/u
const each = /\$\{([^{}]*)\}/gu

/** Replaces `${scope.name}` in every string below `value`. A string that is nothing else takes the value with its type. */
export const interpolate = (
  value: Json,
  scopes: Scopes
): {
  readonly value: Json
  readonly faults: ReadonlyArray<InterpolationFault>
  readonly taken: ReadonlyArray<Taken>
} => {
  const faults: Array<InterpolationFault> = []
  const taken: Array<Taken> = []

  const look = (reference: string, path: Path): Json => {
    const [scope = "", ...names] = reference.trim().split(".")
    const values = Object.hasOwn(scopes, scope) ? scopes[scope] : undefined
    if (values === undefined || names.length === 0) {
      const known = Object.entries(scopes).flatMap(([word, of]) =>
        typeof of === "function" ? [`${word}.STEP.with.PARAM`] : Object.keys(of).map((name) => `${word}.${name}`)
      )
      faults.push({ path, message: `\${${reference}} names nothing`, hint: suggest(reference, known) })
      return null
    }
    if (typeof values === "function") {
      const found = values(names)
      if ("value" in found) {
        if (found.taken !== undefined && found.taken.length > 0) taken.push({ path, names: found.taken })
        return found.value
      }
      faults.push({ path, message: `\${${reference}}: ${found.message}`, hint: found.hint })
      return null
    }
    let found: Json | undefined = values
    for (const name of names) {
      const object = found as JsonObject
      found = typeof found === "object" && found !== null && Object.hasOwn(object, name) ? object[name] : undefined
    }
    if (found === undefined) {
      const hint = suggest(names.join("."), Object.keys(values))
      faults.push({ path, message: `\${${reference}}: there is no ${scope}.${names.join(".")}`, hint })
      return null
    }
    if (scope === "env") taken.push({ path, names: [names[0]!] })
    return found
  }

  const text = (string: string, path: Path): Json => {
    if (!string.includes("${")) return string
    const only = whole.exec(string)
    if (only !== null) return look(only[1] ?? "", path)
    return string.replace(each, (_, reference: string) => {
      const found = look(reference, path)
      return typeof found === "string" ? found : JSON.stringify(found)
    })
  }

  const walk = (node: Json, path: Path): Json => {
    if (typeof node === "string") return text(node, path)
    if (Array.isArray(node)) return node.map((item: Json, i) => walk(item, [...path, i]))
    if (typeof node === "object" && node !== null) {
      return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key])]))
    }
    return node
  }

  return { value: walk(value, []), faults, taken }
}
