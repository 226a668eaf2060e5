import { Schema, SchemaIssue } from "effect"
import type { Json } from "../Json.ts"
import type { Path } from "./Document.ts"
import { nearest, suggest } from "./Suggest.ts"

/** A fault of a value against its Schema, in the file's words. `at` says whether the key or the value is to be marked. */
export interface SchemaFault {
  readonly path: Path
  readonly at: "key" | "value"
  readonly code: string
  readonly message: string
  readonly hint: string
}

export interface Vocabulary {
  /** What a key of this block is called: "param", "key". */
  readonly noun: string
  /** The keys that may stand at the top of the block. */
  readonly known: ReadonlyArray<string>
  /** What a key means, for the hint. */
  readonly describe: (key: string) => string | undefined
}

/** A vocabulary of keys and their notes. */
export const vocabulary = (noun: string, notes: Readonly<Record<string, string>>): Vocabulary => ({
  noun,
  known: Object.keys(notes),
  describe: (key) => (Object.hasOwn(notes, key) ? notes[key] : undefined)
})

/** What stands at a path; undefined where nothing does. */
export const valueAt = (value: unknown, path: Path): unknown => {
  let node: unknown = value
  for (const key of path) {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, String(key))) return undefined
    node = (node as Record<string, unknown>)[String(key)]
  }
  return node
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

const types: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  object: "a map",
  array: "a list"
}

// "Expected a value greater than 0" -> "a value greater than 0", in our own frame.
const wanted = (message: string): string => {
  const text = message.replace(/^Expected /u, "").replace(/, (got|actual) .*$/u, "")
  return types[text] ?? text.replace(/ \| /gu, " or ")
}

const hintOf = (vocabulary: Vocabulary, path: Path): string => {
  const about = vocabulary.describe(String(path[0] ?? ""))
  return about === undefined ? "" : `${path[0]}: ${about}`
}

/** Decodes `value`, or says every fault of it at once. */
export const decodeBlock = <S extends Schema.Codec<any, any>>(
  schema: S,
  value: Json,
  vocabulary: Vocabulary
): { readonly value?: S["Type"]; readonly faults: ReadonlyArray<SchemaFault> } => {
  const decoded = Schema.decodeUnknownResult(schema)(value, { errors: "all", onExcessProperty: "error" })
  if (decoded._tag === "Success") return { value: decoded.success, faults: [] }
  const failure = decoded.failure as unknown as { readonly issue: SchemaIssue.Issue }
  const issues = SchemaIssue.makeFormatterStandardSchemaV1()(failure.issue).issues
  const faults = issues.map((issue): SchemaFault => {
    const path = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part) as string | number)
    const last = String(path.at(-1) ?? "")
    const noun = path.length > 1 ? "key" : vocabulary.noun
    if (/excess|unexpected/iu.test(issue.message)) {
      // Deeper down the Schema's own siblings are not listed by the issue: the description says what may stand there.
      const hint = path.length === 1 ? suggest(last, vocabulary.known) : hintOf(vocabulary, path)
      return { path, at: "key", code: `unknown_${noun}`, message: `unknown ${noun} \`${last}\``, hint }
    }
    if (/missing/iu.test(issue.message)) {
      return {
        path,
        at: "key",
        code: `missing_${noun}`,
        message: `${noun} \`${last}\` is missing`,
        hint: hintOf(vocabulary, path)
      }
    }
    const found = valueAt(value, path)
    const message = `${path.length === 0 ? "this" : `\`${path.join(".")}\``} must be ${wanted(issue.message)}, and is ${show(found)}`
    return { path, at: "value", code: "wrong_value", message, hint: hintOf(vocabulary, path) }
  })
  return { faults: withoutEchoes(faults) }
}

const parentOf = (path: Path) => path.slice(0, -1).join(".")

/** A misspelt key is one mistake, not two: where it is near a missing one, only its own fault is told, with the mend. */
const withoutEchoes = (faults: ReadonlyArray<SchemaFault>): ReadonlyArray<SchemaFault> => {
  const unknown = faults.filter((fault) => fault.code.startsWith("unknown_"))
  const missing = faults.filter((fault) => fault.code.startsWith("missing_"))
  const meant = new Map<SchemaFault, SchemaFault>()
  for (const fault of unknown) {
    const siblings = missing.filter((other) => parentOf(other.path) === parentOf(fault.path))
    const near = nearest(
      String(fault.path.at(-1)),
      siblings.map((other) => String(other.path.at(-1)))
    )
    const match = siblings.find((other) => String(other.path.at(-1)) === near)
    if (match !== undefined) meant.set(fault, match)
  }
  const dropped = new Set(meant.values())
  return faults.flatMap((fault) => {
    if (dropped.has(fault)) return []
    const match = meant.get(fault)
    return match === undefined ? [fault] : [{ ...fault, hint: `did you mean \`${match.path.at(-1)}\`?` }]
  })
}
