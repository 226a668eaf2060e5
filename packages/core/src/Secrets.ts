import type { Fault } from "./Fault.ts"
import type { Json } from "./Json.ts"

/** Values by name, as an environment gives them. */
export type Env = Readonly<Record<string, string | undefined>>

const written = /\$\{env\.(\w+)\}/gu

/** How a declared secret stands in params, keys, records and messages: as the file writes it, never its value. */
export const placeholder = (name: string): string => `\${env.${name}}`

/** How a value that came from the environment stands in keys and records: its variables, and a digest that tells two values apart. */
export const veiled = (names: ReadonlyArray<string>, digest: string): string =>
  `${names.map(placeholder).join("")} #${digest}`

/** The same without the digest, as people are shown it. */
export const shownVeil = (text: string): string => text.replace(/^((?:\$\{env\.\w+\})+) #[0-9a-f]{32}$/u, "$1")

/** The secrets that a text with its `${...}` filled still names. */
export const namedSecrets = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(written), ([, name]) => name!)

/** The values put in, for the one place that needs them: opening a source. */
export const reveal = (text: string, env: Env): string =>
  text.replace(written, (whole, name: string) => env[name] ?? whole)

/** Every string below `value` (keys of maps too) with the secrets' values taken out: for what comes back from libraries and the system. */
export const conceal = <A>(value: A, secrets: ReadonlyArray<string>, env: Env): A => {
  const known = secrets.flatMap((name) => {
    const held = env[name]
    // As it stands, as an address writes it, and as JSON does.
    return held === undefined || held === ""
      ? []
      : [...new Set([held, encodeURIComponent(held), encodeURI(held), JSON.stringify(held).slice(1, -1)])].map(
          (form) => [form, placeholder(name)] as const
        )
  })
  if (known.length === 0) return value
  // The longest first: a secret that is part of another would leave the rest of that one in clear.
  known.sort(([a], [b]) => b.length - a.length)
  const clean = (text: string) => known.reduce((rest, [form, shown]) => rest.replaceAll(form, shown), text)
  const walk = (node: unknown): unknown => {
    if (typeof node === "string") return clean(node)
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node === "object" && node !== null)
      return Object.fromEntries(Object.entries(node).map(([key, item]) => [clean(key), walk(item)]))
    return node
  }
  return walk(value) as A
}

/** Of a value that is too short or too common to be looked for everywhere: a text about the place that took it, without it. */
export const withoutValue = (text: string, value: Json, shown: string): string => {
  if (typeof value === "object") return text
  const literal = String(value).replace(/[$()*+./?[\\\]^{|}]/gu, "\\$&")
  return text.replace(new RegExp(`(?<![\\w.])${literal}(?!\\w|\\.\\d)`, "gu"), () => shown)
}

/** Faults whose words went through `clean`; places stay. */
export const cleanedFaults = (faults: ReadonlyArray<Fault>, clean: (text: string) => string): ReadonlyArray<Fault> =>
  faults.map((fault) => ({ ...fault, message: clean(fault.message), hint: clean(fault.hint) }))
