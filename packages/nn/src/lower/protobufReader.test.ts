import { expect, it } from "vitest"
import { ProtobufWriter } from "./protobuf.ts"
import { fieldsOf, messagesIn, numberIn, textIn } from "./protobufReader.ts"

it("reads what the writer wrote, numbers of every length among it", () => {
  const numbers = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1, -1, -(2 ** 40)]
  const inner = new ProtobufWriter().string(1, "näme")
  const writer = new ProtobufWriter().message(2, inner).message(2, inner)
  numbers.forEach((number, i) => writer.int(i + 3, number))
  const fields = fieldsOf(writer.finish())
  expect(numbers.map((_, i) => numberIn(fields, i + 3))).toEqual(numbers)
  expect(messagesIn(fields, 2).map((message) => textIn(fieldsOf(message), 1))).toEqual(["näme", "näme"])
  expect([numberIn(fields, 99), textIn(fields, 99)]).toEqual([0, ""])
})

it("passes over fields of fixed width", () => {
  const double = [9, 0, 0, 0, 0, 0, 0, 0, 0]
  const float = [21, 0, 0, 0, 0]
  expect(fieldsOf(Uint8Array.from([...double, ...float, 24, 5]))).toEqual([{ field: 3, value: 5 }])
})

it("refuses what ends within a field, or has a wire type of its own", () => {
  for (const bytes of [[8], [8, 128], [10, 5, 1], [9, 0], [11]]) {
    expect(() => fieldsOf(Uint8Array.from(bytes)), String(bytes)).toThrow(RangeError)
  }
})
