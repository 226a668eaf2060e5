import { canonicalJson } from "@hone/core/Canonical"
import type { Json } from "@hone/core/Json"
import type { TaskParams } from "./params.ts"
import { columnOf, shapes } from "./shapes.ts"

/** What a row is to be answered by: a name or text, a number, the names that hold; null where the source has nothing there. */
export type Target = string | number | ReadonlyArray<string> | null

/** A row by the columns that later steps know. */
export interface MappedRow {
  /** In the order of the shape's inputs; null where the source has nothing there. */
  readonly inputs: ReadonlyArray<string | null>
  readonly target: Target
}

export type RowMapper = (values: Readonly<Record<string, unknown>>) => MappedRow | { readonly fault: string }

/**
 * How rows of a task are mapped. A row gives its columns, or what is wrong with one of them. Numbers and booleans become their text.
 * `onRename` hears of each label that `label_map` gave another name.
 */
export const rowMapper = (params: TaskParams, onRename: (label: string) => void = () => {}): RowMapper => {
  const { inputs } = shapes[params.task]
  const columns = inputs.map((role) => columnOf(role, params.columns) as string)
  const isChat = params.task === "chat"
  const target = targetReader(params, renamer(params, onRename))
  return (values) => {
    const read: Array<string | null> = []
    for (const column of columns) {
      const text = isChat ? asMessages(values[column]) : asText(values[column])
      if (text === undefined)
        return {
          fault: `column "${column}" holds ${isChat ? "no list of { role, content }" : `${nature(values[column])}, not text`}`
        }
      read.push(text)
    }
    const found = target(values)
    return typeof found === "object" && found !== null && "fault" in found ? found : { inputs: read, target: found }
  }
}

type TargetReader = (values: Readonly<Record<string, unknown>>) => Target | { readonly fault: string }

const targetReader = (params: TaskParams, rename: Renamer): TargetReader => {
  const { kind, target } = shapes[params.task]
  if (target === undefined) return () => null
  const column = columnOf(target, params.columns)
  if (typeof column !== "string") return flags(column, params, rename)
  if (kind === "number") return (values) => asNumber(values[column], column)
  if (kind === "names") return (values) => asNames(values[column], column, params, rename)
  return (values) => {
    const text = asText(values[column])
    if (text === undefined) return { fault: `column "${column}" holds ${nature(values[column])}, not a label` }
    if (text === null || text === "") return null
    if (kind !== "name") return text
    const label = rename(text)
    return undeclared(label, params) ?? label
  }
}

/** A label by its other name, where `label_map` has one. */
type Renamer = (label: string) => string

const renamer =
  ({ label_map: names }: TaskParams, onRename: (label: string) => void): Renamer =>
  (label) => {
    if (names === undefined || !Object.hasOwn(names, label)) return label
    onRename(label)
    return names[label]!
  }

const undeclared = (label: string, { labels }: TaskParams): { readonly fault: string } | undefined =>
  labels === undefined || labels.includes(label)
    ? undefined
    : { fault: `label "${label}" is none of those declared: ${labels.join(", ")}` }

const asNumber = (value: unknown, column: string): Target | { readonly fault: string } => {
  if (value === null || value === undefined || value === "") return null
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number === "number" && Number.isFinite(number)) return number
  return {
    fault: `column "${column}" holds ${typeof value === "object" ? nature(value) : JSON.stringify(value)}, not a number`
  }
}

/** A list, or a text: a JSON list, or names between separators. An empty text is no label at all; `[]` is none that holds. */
const asNames = (
  value: unknown,
  column: string,
  params: TaskParams,
  rename: Renamer
): Target | { readonly fault: string } => {
  if (value === null || value === undefined || value === "") return null
  const list = typeof value === "string" ? listOf(value, params.label_separator) : value
  if (!Array.isArray(list))
    return {
      fault: `column "${column}" holds ${typeof value === "object" ? nature(value) : JSON.stringify(value)}, not a list of labels`
    }
  const names = [...new Set(list.map((name) => asText(name)))]
  if (names.some((name) => typeof name !== "string" || name === ""))
    return { fault: `column "${column}" holds a list in which a label is no text` }
  return declared(names as Array<string>, params, rename)
}

/** Names that hold, renamed, each once and sorted; or that one of them is not declared. */
const declared = (
  names: ReadonlyArray<string>,
  params: TaskParams,
  rename: Renamer
): ReadonlyArray<string> | { readonly fault: string } => {
  const sorted = [...new Set(names.map(rename))].sort()
  return sorted.map((name) => undeclared(name, params)).find((fault) => fault !== undefined) ?? sorted
}

const listOf = (text: string, separator: string): unknown => {
  if (text.trimStart().startsWith("[")) {
    try {
      return JSON.parse(text)
    } catch {
      return undefined
    }
  }
  return text
    .split(separator)
    .map((name) => name.trim())
    .filter((name) => name !== "")
}

/** Columns of true or false, each named as its label. */
const flags =
  (columns: ReadonlyArray<string>, params: TaskParams, rename: Renamer): TargetReader =>
  (values) => {
    const names: Array<string> = []
    for (const column of columns) {
      const flag = asFlag(values[column])
      if (flag === undefined)
        return { fault: `column "${column}" holds ${JSON.stringify(values[column])}, neither true nor false` }
      if (flag) names.push(column)
    }
    return declared(names, params, rename)
  }

/** True or false as files write them; an empty field is false, as in one-hot tables. */
export const asFlag = (value: unknown): boolean | undefined => {
  if (value === null || value === undefined) return false
  const text = String(value).trim().toLowerCase()
  if (["true", "1", "1.0", "yes"].includes(text)) return true
  return ["false", "0", "0.0", "no", ""].includes(text) ? false : undefined
}

export const asText = (value: unknown): string | null | undefined => {
  if (value === null || value === undefined) return null
  // A lone surrogate is no character: written as UTF-8 it would come back as another text than the one digested.
  if (typeof value === "string") return value.toWellFormed()
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined
}

/** Canonical JSON of a list of messages, given as one or as its JSON text. */
export const asMessages = (value: unknown): string | null | undefined => {
  if (value === null || value === undefined || value === "") return null
  const list = typeof value === "string" ? listOf(value, "\n") : value
  if (!Array.isArray(list) || list.length === 0 || !list.every(isMessage)) return undefined
  return canonicalJson(list as unknown as Json)
}

const isMessage = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as Record<string, unknown>)["role"] === "string" &&
  "content" in value

const nature = (value: unknown): string => (Array.isArray(value) ? "a list" : "an object")
