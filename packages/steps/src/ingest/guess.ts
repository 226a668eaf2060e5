import { asFlag, asMessages } from "./mapRow.ts"
import { type Role, rolesOf, shapes, type Task } from "./shapes.ts"

/** What rows seem to be for, and which columns are which. */
export interface Guess {
  readonly task: Task
  readonly columns: Readonly<Partial<Record<Role, string | ReadonlyArray<string>>>>
}

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

const labelNames = [
  "label",
  "labels",
  "class",
  "classes",
  "category",
  "categories",
  "target",
  "sentiment",
  "intent",
  "topic",
  "topics",
  "tag",
  "tags",
  "score",
  "rating",
  "emotion",
  "emotions",
  "genre",
  "genres",
  "team",
  "spam",
  "y",
  "s"
]
/** What is told about a row rather than asked of it. */
const aboutNames = [
  "id",
  "lang",
  "language",
  "split",
  "part",
  "set",
  "fold",
  "date",
  "year",
  "month",
  "day",
  "time",
  "source",
  "url",
  "author",
  "user",
  "version",
  "file"
]
const textNames = [
  "text",
  "sentence",
  "content",
  "body",
  "review",
  "comment",
  "message",
  "tweet",
  "description",
  "title",
  "document",
  "t"
]
const pairNames: ReadonlyArray<readonly [string, string]> = [
  ["text_a", "text_b"],
  ["sentence1", "sentence2"],
  ["premise", "hypothesis"],
  ["question1", "question2"],
  ["question", "passage"],
  ["question", "sentence"],
  ["text1", "text2"],
  ["sentence_a", "sentence_b"],
  ["query", "document"]
]
const answerNames: ReadonlyArray<readonly [string, string]> = [
  ["input", "output"],
  ["instruction", "output"],
  ["prompt", "completion"],
  ["prompt", "response"],
  ["instruction", "response"],
  ["question", "answer"],
  ["source", "target"],
  ["meaning_representation", "human_reference"],
  ["document", "summary"]
]
const messageNames = ["messages", "conversation", "conversations", "chat"]

/** Columns of rows that are lists of tokens with a tag for each. */
export interface TaggedTokens {
  readonly tokens: string
  readonly tags: string
}

const listOf = (value: unknown): ReadonlyArray<unknown> | undefined => {
  if (Array.isArray(value)) return value
  if (typeof value !== "string" || !/^\s*\[.*\]\s*$/su.test(value)) return undefined
  try {
    const parsed: unknown = JSON.parse(value)
    return Array.isArray(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** Two columns of lists that are of one length in every row: words, and a name or number for each. Undefined where there are none such. */
export const taggedTokens = (columns: ReadonlyArray<string>, rows: Rows): TaggedTokens | undefined => {
  const lists = columns.flatMap((column) => {
    const of = held(rows, column).map(listOf)
    return of.length === rows.length && of.every((list) => list !== undefined) ? [{ column, of }] : []
  })
  const isWords = (list: ReadonlyArray<unknown>) => list.every((item) => typeof item === "string")
  const isTags = (list: ReadonlyArray<unknown>) => list.every((item) => ["string", "number"].includes(typeof item))
  const words = lists.find(({ column, of }) => /tokens?|words?/iu.test(column) && of.every(isWords))
  if (words === undefined || !words.of.some(({ length }) => length > 1)) return undefined
  const isAlongside = (of: ReadonlyArray<ReadonlyArray<unknown>>) =>
    of.every((list, row) => list.length === words.of[row]!.length && isTags(list))
  const tags = lists.find(({ column, of }) => column !== words.column && isAlongside(of))
  return tags === undefined ? undefined : { tokens: words.column, tags: tags.column }
}

/** Told by names first, then by what the columns hold. Undefined where no column holds text, and of tagged tokens. */
export const guessShape = (columns: ReadonlyArray<string>, rows: Rows): Guess | undefined => {
  if (taggedTokens(columns, rows) !== undefined) return undefined
  const messages = named(columns, messageNames).find(
    (column) =>
      held(rows, column).every((value) => typeof asMessages(value) === "string") && held(rows, column).length > 0
  )
  if (messages !== undefined) return { task: "chat", columns: { messages } }
  const pair = pairOf(columns, pairNames)
  const label = labelOf(
    columns.filter((column) => !pair?.includes(column)),
    rows
  )
  if (pair !== undefined && label !== undefined)
    return { task: "pair-classification", columns: { text_a: pair[0], text_b: pair[1], label } }
  const answer = pairOf(columns, answerNames)
  if (answer !== undefined && answer.every((column) => isText(rows, column)))
    return { task: "text-to-text", columns: { input: answer[0], output: answer[1] } }
  return ofOneText(columns, rows)
}

const ofOneText = (columns: ReadonlyArray<string>, rows: Rows): Guess | undefined => {
  const text = textOf(columns, rows)
  if (text === undefined) return undefined
  const rest = columns.filter((column) => column !== text)
  const label = labelOf(rest, rows)
  const flags = rest.filter((column) => isFlag(rows, column))
  if (flags.length > 1 && (label === undefined || flags.includes(label)))
    return { task: "multi-label-classification", columns: { text, label: flags } }
  if (label === undefined) return { task: "unlabelled-text", columns: { text } }
  if (isList(rows, label)) return { task: "multi-label-classification", columns: { text, label } }
  return { task: isMeasure(rows, label) ? "text-regression" : "text-classification", columns: { text, label } }
}

const named = (columns: ReadonlyArray<string>, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((name) => columns.filter((column) => column.toLowerCase() === name))

const pairOf = (columns: ReadonlyArray<string>, pairs: ReadonlyArray<readonly [string, string]>) => {
  for (const [first, second] of pairs) {
    const found = [named(columns, [first])[0], named(columns, [second])[0]] as const
    if (found[0] !== undefined && found[1] !== undefined) return found as readonly [string, string]
  }
  return undefined
}

const held = (rows: Rows, column: string): ReadonlyArray<unknown> =>
  rows.map((row) => row[column]).filter((value) => value !== undefined && value !== null && value !== "")

/** Texts, of which one in ten may be a number: a film named 300 is one in JSON. */
const isText = (rows: Rows, column: string): boolean => {
  const others = held(rows, column).filter((value) => typeof value !== "string")
  return others.every((value) => typeof value === "number") && 10 * others.length <= held(rows, column).length
}

const isFlag = (rows: Rows, column: string): boolean =>
  held(rows, column).length > 0 && held(rows, column).every((value) => asFlag(value) !== undefined)

const isList = (rows: Rows, column: string): boolean =>
  held(rows, column).some(
    (value) => Array.isArray(value) || (typeof value === "string" && /^\s*\[.*\]\s*$/su.test(value))
  )

/** Numbers with a fraction, or more of them than classes would be. */
const isMeasure = (rows: Rows, column: string): boolean => {
  const values = held(rows, column).map((value) => (typeof value === "string" ? Number(value) : value))
  if (values.length === 0 || values.some((value) => typeof value !== "number" || !Number.isFinite(value))) return false
  return values.some((value) => !Number.isInteger(value)) || new Set(values).size > 20
}

/** A column by a usual name, else the one with the longest text; one whose values come again and again only where there is no other. */
const textOf = (columns: ReadonlyArray<string>, rows: Rows): string | undefined => {
  const usual = named(columns, textNames).find((column) => isText(rows, column) && averageLength(rows, column) > 0)
  if (usual !== undefined) return usual
  const byLength = columns
    .filter((column) => isText(rows, column))
    .map((column) => ({ column, length: averageLength(rows, column), repeats: repeats(rows, column) ? 1 : 0 }))
    .filter(({ length }) => length > 0)
  return byLength.sort((a, b) => a.repeats - b.repeats || b.length - a.length)[0]?.column
}

/** Whether each value comes twice or more, on average. */
const repeats = (rows: Rows, column: string): boolean => {
  const values = held(rows, column)
  return 2 * new Set(values).size <= values.length
}

const averageLength = (rows: Rows, column: string): number => {
  const texts = held(rows, column).map(String)
  return texts.reduce((sum, text) => sum + text.length, 0) / Math.max(1, texts.length)
}

/** A column by a usual name, else the one of fewest values that come again. */
const labelOf = (columns: ReadonlyArray<string>, rows: Rows): string | undefined => {
  const usual = named(columns, labelNames).find((column) => held(rows, column).length > 0)
  if (usual !== undefined) return usual
  const counts = columns
    .map((column) => ({ column, values: held(rows, column) }))
    .filter(({ values }) => values.length > 1)
  const repeating = counts.map(({ column, values }) => ({
    column,
    distinct: new Set(values.map(String)).size,
    rows: values.length
  }))
  const likely = repeating.filter(({ column }) => !aboutNames.includes(column.toLowerCase()))
  return likely
    .filter(({ distinct, rows }) => distinct > 1 && distinct <= rows / 2 && distinct <= 100)
    .sort((a, b) => a.distinct - b.distinct)[0]?.column
}

/** `task: text-classification, columns: { text: t, label: s }`, as it is written into a pipeline. */
export const writtenGuess = ({ columns, task }: Guess): string => {
  const plain = (name: string) =>
    /^[A-Za-z_][\w-]*$/u.test(name) && !/^(true|false|null|yes|no|on|off)$/iu.test(name) ? name : JSON.stringify(name)
  const value = (of: string | ReadonlyArray<string>) =>
    typeof of === "string" ? plain(of) : `[${of.map(plain).join(", ")}]`
  const other = rolesOf(task).filter((role) => columns[role] !== undefined && columns[role] !== role)
  const written = other.map((role) => `${role}: ${value(columns[role]!)}`).join(", ")
  return other.length === 0 ? `task: ${task}` : `task: ${task}, columns: { ${written} }`
}

/** Whether there is a step that trains on rows of this task. */
export const isTrainable = (task: Task): boolean => shapes[task].target === "label"
