import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  BadSafetensors,
  openSafetensors,
  readSafetensors,
  type SafetensorsFault,
  writeSafetensors
} from "./safetensors.ts"

const memory = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: async (offset: number, length: number) => bytes.slice(offset, offset + length)
})

/** A file with that header text and so many bytes of data. */
function file(header: string | Uint8Array, dataLength = 0, says?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header
  const bytes = new Uint8Array(8 + text.length + dataLength)
  new DataView(bytes.buffer).setBigUint64(0, says ?? BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}

const entry = (dtype: string, shape: ReadonlyArray<unknown>, offsets: ReadonlyArray<unknown>) =>
  JSON.stringify({ dtype, shape, data_offsets: offsets })

const hostile: ReadonlyArray<readonly [what: string, fault: SafetensorsFault, bytes: Uint8Array]> = [
  ["an empty file", "too-short", new Uint8Array(3)],
  ["a header longer than the file", "header-too-long", file("{}", 0, 9n)],
  ["a header of 2^63 bytes", "header-too-long", file("{}", 0, 2n ** 63n)],
  ["a header that is not UTF-8", "not-utf8", file(Uint8Array.of(0x7b, 0xff, 0x7d))],
  ["a header that is not JSON", "not-json", file("{,}")],
  ["a header that is no object", "not-json", file("[1]")],
  ["a name twice", "duplicate-name", file(`{"a":${entry("F32", [1], [0, 4])},"a":${entry("F32", [1], [0, 4])}}`, 4)],
  [
    "a name twice, once escaped",
    "duplicate-name",
    file(`{"a":${entry("F32", [1], [0, 4])},"\\u0061":${entry("F32", [1], [0, 4])}}`, 4)
  ],
  ["an unknown dtype", "bad-dtype", file(`{"a":${entry("F33", [1], [0, 4])}}`, 4)],
  ["a dtype that objects have anyway", "bad-dtype", file(`{"a":${entry("constructor", [1], [0, 4])}}`, 4)],
  ["a negative offset", "bad-offsets", file(`{"a":${entry("F32", [1], [-4, 0])}}`, 4)],
  ["an end before the begin", "bad-offsets", file(`{"a":${entry("F32", [0], [4, 0])}}`, 4)],
  ["an end behind the file", "bad-offsets", file(`{"a":${entry("F32", [2], [0, 8])}}`, 4)],
  ["a fraction for an offset", "bad-offsets", file(`{"a":${entry("F32", [1], [0, 4.5])}}`, 8)],
  ["three offsets", "bad-offsets", file(`{"a":${entry("F32", [1], [0, 4, 4])}}`, 4)],
  ["a shape that does not match the bytes", "bad-size", file(`{"a":${entry("F32", [3], [0, 8])}}`, 8)],
  ["a shape that overflows", "bad-size", file(`{"a":${entry("F32", [2 ** 40, 2 ** 40], [0, 8])}}`, 8)],
  ["a negative size", "bad-entry", file(`{"a":${entry("F32", [-1, -1], [0, 4])}}`, 4)],
  ["an entry that is no object", "bad-entry", file(`{"__metadata__":{"format":1}}`)],
  [
    "overlapping tensors",
    "bad-offsets",
    file(`{"a":${entry("F32", [2], [0, 8])},"b":${entry("F32", [2], [4, 12])}}`, 12)
  ],
  [
    "a hole between tensors",
    "bad-offsets",
    file(`{"a":${entry("F32", [1], [0, 4])},"b":${entry("F32", [1], [8, 12])}}`, 12)
  ],
  ["bytes after the last tensor", "bad-offsets", file(`{"a":${entry("F32", [1], [0, 4])}}`, 6)]
]

describe("reading safetensors", () => {
  it.each(hostile)("refuses %s (%s)", async (_, fault, bytes) => {
    const error = await readSafetensors(memory(bytes)).then(
      () => undefined,
      (caught: unknown) => caught
    )
    expect(error).toBeInstanceOf(BadSafetensors)
    expect((error as BadSafetensors).fault).toBe(fault)
  })

  it("reads no data, and asks for no memory, before the header is found good", async () => {
    const reads: Array<number> = []
    const bytes = file("{}", 0, 99_000_000n)
    const source = {
      size: 2 ** 40,
      read: async (offset: number, length: number) => (reads.push(length), bytes.slice(offset, offset + 8))
    }
    await expect(readSafetensors({ ...source, size: 50 })).rejects.toThrow(BadSafetensors)
    await expect(readSafetensors({ ...source, read: async () => file("", 0, 200_000_000n) })).rejects.toThrow(
      "at most 100000000"
    )
    expect(reads).toEqual([8])
  })

  it("widens float16 and bfloat16 exactly, subnormals, zeros, infinities and NaN among them", async () => {
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x8000, 0x7c00, 0xfc00, 0x7e00)
    const brains = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f80, 0x4049, 0x8000, 0x3eab, 0xbf00, 0x7f7f, 0x7fc0)
    const header = `{"h":${entry("F16", [10], [0, 20])},"b":${entry("BF16", [10], [20, 40])}}`
    const bytes = file(header, 40)
    bytes.set(new Uint8Array(halves.buffer), bytes.length - 40)
    bytes.set(new Uint8Array(brains.buffer), bytes.length - 20)
    const parsed = await readSafetensors(memory(bytes))
    expect([...(await parsed.read("h"))]).toEqual([
      1,
      -2,
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      65504,
      -0,
      Infinity,
      -Infinity,
      NaN
    ])
    const expected = [1, -2, 2 ** -133, Infinity, 3.140625, -0, 0.333984375, -0.5, 3.3895313892515355e38, NaN]
    expect([...(await parsed.read("b"))]).toEqual(expected)
  })

  it("lists tensors that are not floats, and refuses to read them", async () => {
    const parsed = await readSafetensors(memory(file(`{"ids":${entry("I64", [1, 2], [0, 16])}}`, 16)))
    expect(parsed.tensors.get("ids")!.shape).toEqual([1, 2])
    await expect(parsed.read("ids")).rejects.toThrow("F32, F16 and BF16 can be read")
  })

  it("gives back what was written, in any order, with names of any spelling", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hone-safetensors-"))
    const tensor = fc.record({
      name: fc.string({ unit: "binary", minLength: 1 }),
      values: fc.float32Array({ maxLength: 20 })
    })
    const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 })
    try {
      await fc.assert(
        fc.asyncProperty(tensors, async (given) => {
          const usable = given.filter(({ name }) => name !== "__metadata__" && name.isWellFormed())
          const path = join(folder, "model.safetensors")
          await writeSafetensors(
            path,
            usable.map(({ name, values }) => ({ name, values, shape: [values.length] })),
            { format: "pt" }
          )
          await using read = await openSafetensors(path)
          expect(read.metadata).toEqual({ format: "pt" })
          expect(new Set(read.tensors.keys())).toEqual(new Set(usable.map(({ name }) => name)))
          for (const { name, values } of usable) expect(await read.read(name)).toEqual(values)
        }),
        { numRuns: 50 }
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
