import { SeparatedSplitter } from "./SeparatedSplitter.ts"

/** How bytes are characters: names that TextDecoder knows. */
export const encodings = ["utf-8", "utf-16le", "utf-16be", "latin1"] as const
export type Encoding = (typeof encodings)[number]

const delimiters = [",", ";", "\t", "|"] as const

/** Lines of a head that are looked at to tell the delimiter. */
const LINES = 20

/** As the byte order mark says, else UTF-8. */
export const sniffEncoding = (head: Uint8Array): Encoding => {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le"
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be"
  return "utf-8"
}

/**
 * The delimiter that parts the first lines of a head into the same number of fields, more than one; the most fields win, then the
 * earlier of comma, semicolon, tab, bar. A comma where none does: a file of one column.
 */
export const sniffDelimiter = (head: string, quote: string): string => {
  let best: string = ","
  let most = 1
  for (const delimiter of delimiters) {
    const fields = commonFields(head, delimiter, quote)
    if (fields > most) [best, most] = [delimiter, fields]
  }
  if (most > 1) return best
  // Rows that differ in length are faults to be told, so the header alone decides.
  const [line = ""] = head.split("\n", 1)
  const counts = delimiters.map((delimiter) => line.split(delimiter).length)
  const largest = Math.max(...counts)
  return largest > 1 ? delimiters[counts.indexOf(largest)]! : ","
}

/** Fields that every complete record of the head has, or 0 where they differ. */
const commonFields = (head: string, delimiter: string, quote: string): number => {
  const splitter = new SeparatedSplitter(delimiter, quote)
  const records = splitter.feed(head)
  const complete = records.length > 0 ? records : splitter.end()
  const counts = new Set(complete.slice(0, LINES).map((record) => record.fields?.length ?? 0))
  return counts.size === 1 ? [...counts][0]! : 0
}
