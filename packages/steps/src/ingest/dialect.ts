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
export const sniffDelimiter = (head: string, quote: string, skip: number): string => {
  let best: string = ","
  let most = 1
  for (const delimiter of delimiters) {
    const fields = commonFields(head, delimiter, quote, skip)
    if (fields > most) [best, most] = [delimiter, fields]
  }
  if (most > 1) return best
  // Rows that differ in length are faults to be told, so the header alone decides.
  const line = head.split("\n", skip + 1)[skip] ?? ""
  const counts = delimiters.map((delimiter) => line.split(delimiter).length)
  const largest = Math.max(...counts)
  return largest > 1 ? delimiters[counts.indexOf(largest)]! : ","
}

/** Fields that every complete record of the head has, or 0 where they differ. */
const commonFields = (head: string, delimiter: string, quote: string, skip: number): number => {
  const counts = new Set(firstRecords(head, delimiter, quote, skip).map((record) => record.fields?.length ?? 0))
  return counts.size === 1 ? [...counts][0]! : 0
}

const firstRecords = (head: string, delimiter: string, quote: string, skip: number) => {
  const splitter = new SeparatedSplitter(delimiter, quote, skip)
  const records = splitter.feed(head)
  return (records.length > 0 ? records : splitter.end()).slice(0, LINES)
}

/**
 * Lines that stand above the header: where the first line has nothing that could part fields, and three in four of those looked at are
 * parted by one delimiter into the same number, more than one, the lines above the first of these. 0 where there are none.
 */
export const linesAboveHeader = (head: string, quote: string): number => {
  const [first = ""] = head.split("\n", 1)
  if (delimiters.some((delimiter) => first.includes(delimiter))) return 0
  for (const delimiter of delimiters) {
    const records = firstRecords(head, delimiter, quote, 0)
    const counts = records.map(({ fields }) => fields?.length ?? 0)
    const usual = [...counts].sort((a, b) => a - b)[counts.length >> 1] ?? 0
    const isUsual = 4 * counts.filter((count) => count === usual).length >= 3 * (counts.length - 1)
    if (usual > 1 && isUsual) return records[counts.indexOf(usual)]!.line - 1
  }
  return 0
}
