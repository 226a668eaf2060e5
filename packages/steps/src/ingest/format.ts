/** How the bytes of a source are read. */
export type Format = "jsonl" | "json" | "csv" | "tsv" | "text" | "parquet" | "arrow" | "folder"

export const formats = ["auto", "jsonl", "json", "csv", "tsv", "text", "parquet", "arrow", "folder"] as const

/** Bytes of a source that are read to tell its format and columns. */
export const HEAD_BYTES = 65_536

/** Formats that are told by a mark at their beginning, and are read from place to place. */
export const sniffBinary = (head: Uint8Array): "parquet" | "arrow" | undefined => {
  const mark = Buffer.from(head.subarray(0, 6)).toString("latin1")
  if (mark.startsWith("PAR1")) return "parquet"
  return mark === "ARROW1" ? "arrow" : undefined
}

/** What the libraries say of bytes that are not theirs to read. */
export const damaged = (format: "parquet" | "arrow", error: unknown): string =>
  `the ${format === "parquet" ? "Parquet" : "Arrow"} file is damaged or cut off: ${(error as Error).message}`

/**
 * The format that the head of a source shows. Its name never counts: renaming a file changes nothing. `[` opens JSON; `{` opens
 * JSONL where the first line is an object of its own, else JSON; anything else is CSV, or TSV where the first line has tabs, and
 * not fewer than commas.
 */
export const sniffFormat = (head: string): Format => {
  const text = head.trimStart()
  if (text.startsWith("[")) return "json"
  const [line = "", ...rest] = text.split("\n", 2)
  if (!text.startsWith("{")) return line.includes("\t") && count(line, "\t") >= count(line, ",") ? "tsv" : "csv"
  const holdsRows = /^\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*\{/.test(line)
  if (holdsRows && rest.join("").trim() === "") return "json"
  return isObject(line) || (rest.length === 0 && head.length >= HEAD_BYTES / 4) ? "jsonl" : "json"
}

const count = (line: string, character: string): number => line.split(character).length - 1

const isObject = (line: string): boolean => {
  try {
    return typeof JSON.parse(line) === "object"
  } catch {
    return false
  }
}

/**
 * Every key of the rows that a head shows, in the order met. `depth` is how many brackets stand around a row's keys: 1 in JSONL, 2 in
 * an array of objects, 3 where an object holds the array. A head that ends within a row gives the keys before its end.
 */
export const rowKeys = (head: string, depth: number): ReadonlyArray<string> => {
  const keys = new Set<string>()
  const stack: Array<string> = []
  for (let at = 0; at < head.length; at++) {
    const character = head[at]!
    if (character === "{" || character === "[") stack.push(character)
    else if (character === "}" || character === "]") stack.pop()
    else if (character === "\n" && depth === 1) stack.length = 0
    else if (character === '"') {
      const end = endOfString(head, at)
      if (end < 0) break
      if (stack.length === depth && stack.at(-1) === "{" && /^\s*:/.test(head.slice(end + 1, end + 20))) {
        const key = keyOf(head.slice(at, end + 1))
        if (key !== undefined) keys.add(key)
      }
      at = end
    }
  }
  return [...keys]
}

/** The row's fault is told, with its line, when it is read. */
const keyOf = (text: string): string | undefined => {
  try {
    return JSON.parse(text) as string
  } catch {
    return undefined
  }
}

/** The place of the closing quote of the string that opens at `start`, or -1. */
const endOfString = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === '"') return at
  }
  return -1
}

/** The brackets around the keys of a row in JSON text: see {@link rowKeys}. */
export const rowDepth = (head: string): number => (head.trimStart().startsWith("[") ? 2 : 3)
