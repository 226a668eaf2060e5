import { asNumber, type LanguageFunction } from "@hone/core/expression/Language"

const text = ["text"] as const
const textOrList = ["text", "list"] as const

/** The functions of the language. Lengths count characters (code points), of a list its names. */
export const functions = {
  length: {
    takes: [textOrList],
    gives: "number",
    of: (value: string | ReadonlyArray<string>) => (typeof value === "string" ? characters(value) : value.length)
  },
  words: { takes: [text], gives: "number", of: (value: string) => value.match(/\S+/gu)?.length ?? 0 },
  lower: { takes: [text], gives: "text", of: (value: string) => value.toLowerCase() },
  upper: { takes: [text], gives: "text", of: (value: string) => value.toUpperCase() },
  trim: { takes: [text], gives: "text", of: (value: string) => value.trim() },
  contains: {
    takes: [textOrList, text],
    gives: "bool",
    of: (value: string | ReadonlyArray<string>, part: string) => value.includes(part)
  },
  startswith: { takes: [text, text], gives: "bool", of: (value: string, part: string) => value.startsWith(part) },
  endswith: { takes: [text, text], gives: "bool", of: (value: string, part: string) => value.endsWith(part) },
  number: { takes: [["text", "number"]], gives: "number", of: (value: string | number) => asNumber(value) },
  round: { takes: [["number"]], gives: "number", of: (value: number) => Math.round(value) },
  abs: { takes: [["number"]], gives: "number", of: (value: number) => Math.abs(value) }
} satisfies Record<string, LanguageFunction>

const characters = (value: string): number => {
  let count = 0
  for (let at = 0; at < value.length; at++) if ((value.charCodeAt(at) & 0xfc00) !== 0xdc00) count++
  return count
}
