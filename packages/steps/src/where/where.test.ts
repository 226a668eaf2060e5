import { describe, expect, it } from "vitest"
import { rangeOf } from "./range.ts"
import { columnsOf, predicateOf, RowFault, whereFault } from "./where.ts"

const columns = { text: "text", lang: "text", score: "number", "odd name": "any", tags: "list" } as const
const holds = (expression: string, row: Readonly<Record<string, unknown>>) =>
  predicateOf(expression)((name) => row[name])
const row = { text: "Grüße 🙂 you", lang: "de", score: 3, "odd name": "7", tags: ["a", "b"], none: null }

describe("where", () => {
  it.each([
    ['length(text) > 10 and lang != "en"', true],
    ["length(text) == 11", true],
    ["words(text) == 3", true],
    ["not lang in ['de', \"fr\"]", false],
    ['lang not in ["en"]', true],
    ["score * 2 - 1 == 5 and -score < 0", true],
    ["1 + 2 * 3 == 7 and (1 + 2) * 3 == 9", true],
    ['lang == "en" or lang == "de" and score > 5', false],
    ["`odd name` >= 7", true],
    ['contains(lower(text), "grüße") and startswith(text, "G") and endswith(text, "ou")', true],
    ['contains(tags, "a") and length(tags) == 2', true],
    ["none == null and not (none > 0) and not (none < 0)", true],
    ["length(none) > 0", false],
    ["score % 2 == 1", true]
  ])("%s", (expression, expected) => expect(holds(expression, row)).toBe(expected))

  it("compares the numbers that a CSV writes as text", () => {
    expect(holds("year > 1999", { year: "2001" })).toBe(true)
    expect(holds("year == 2001 and flag == true", { year: " 2001", flag: "True" })).toBe(true)
    expect(() => holds("year > 1999", { year: "long ago" })).toThrow(RowFault)
    expect(holds("year == 1999", { year: "long ago" })).toBe(false)
  })

  it.each([
    ["lenght(text) > 20", "there is no function `lenght`", 1, "did you mean `length`?"],
    ["length(txt) > 20", "there is no column `txt`", 8, "did you mean `text`?"],
    ["score > 20 and", "the expression ends where a column, a text or a number should", 15, "for example"],
    ["score = 2", "`=` means nothing here", 7, "write == to compare"],
    ['lang == "de', "the text that opens here is not closed", 9, "close it"],
    ["text > 20", "a text is compared with a number", 6, "number(...)"],
    ["text", "this is a text, and true or false is needed", 1, "compare it"],
    ["text + 1 > 2", "this is a text, and a number is needed", 1, "number(...)"],
    ["score in [1, 'a']", '"a" is never a number', 7, "own type"],
    ["contains(text)", "`contains` takes 2 values, and is given 1", 1, 'contains(text, "part")'],
    ["(score > 1", "the expression ends where `)` should", 11, "for example"],
    ["score > 1 score", "`score` stands where and, or, or the end should", 11, "for example"]
  ])("%s is a fault at its place", (expression, message, column, hint) => {
    const fault = whereFault(expression, columns)!
    expect(fault.message).toBe(`${message}, at character ${column} of\n  ${expression}\n  ${" ".repeat(column - 1)}^`)
    expect(fault.hint).toContain(hint)
  })

  it("a fault of a long expression shows what is around its place, on one line, and marks it", () => {
    const long = (wrong: string) => `${"score > 1 or\n".repeat(300)}${wrong}${" or score > 1".repeat(300)}`
    for (const [expression, place] of [
      [long("textt > 1"), 3901],
      [`textt > 1 or ${long("score > 2")}`, 1],
      [`${long("score > 2")} or textt > 1`, 7814]
    ] as const) {
      const [told, shown, mark] = whereFault(expression, columns)!.message.split("\n")
      expect(told).toBe(`there is no column \`textt\`, at character ${place} of`)
      expect(shown!.length).toBeLessThanOrEqual(2 + 3 + 120 + 3)
      expect(shown!.slice(mark!.indexOf("^"))).toMatch(/^textt > 1/u)
    }
  })

  it("takes any column where the columns are not known, and refuses an expression nested without end", () => {
    expect(whereFault("whatever > 3", undefined)).toBeUndefined()
    expect(whereFault(`${"(".repeat(100_000)}1`, undefined)!.message).toContain("nested too deeply")
    const terms = (count: number) => Array(count).fill("a == 1").join(" or ")
    expect(whereFault(terms(1000), undefined)).toBeUndefined()
    expect(whereFault(terms(10_000), undefined)!.message).toContain("more than 1000 operators")
    expect(columnsOf("a > 1 and not length(b) in [c, 1] or a == 2".replace("c, ", ""))).toEqual(["a", "b"])
  })
})

it("ranges count from 0 and leave their end out", () => {
  expect(rangeOf("0..10")).toEqual({ start: 0, end: 10 })
  expect(rangeOf("5..")).toEqual({ start: 5, end: Infinity })
  expect(rangeOf("..5")).toEqual({ start: 0, end: 5 })
  expect([rangeOf("5..5"), rangeOf("a..b"), rangeOf("9..3")]).toEqual([undefined, undefined, undefined])
})
