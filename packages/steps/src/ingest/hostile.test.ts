import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { afterAll, assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { parquetMetadata, parquetSchema } from "hyparquet"
import { type Bench, makeBench, runStage } from "../testing/context.ts"
import { ingest } from "./index.ts"
import { peek } from "./peek.ts"

const bench: Bench = makeBench()
afterAll(() => bench.dispose())

const task = { task: "text-classification", columns: { text: "text", label: "label" } } as const

/** Looks at a file as a plan does and reads it as a run does: gives the counts, or the failure. */
const read = (name: string, bytes: string | Uint8Array, more: object = {}) =>
  Effect.gen(function* () {
    const path = join(bench.folder, name.replaceAll(/\W/gu, "-"))
    writeFileSync(path, bytes)
    const params = { source: "x", ...task, ...more }
    // What a plan says of it is said there; what counts here is that it looks without coming to grief.
    const looked = yield* Effect.promise(() =>
      peek(path, { format: "auto", quote: '"', ...params } as never).catch((error: Error & { hint?: string }) => {
        assert.isString(error.hint, `${name}: ${error.stack}`)
        return { format: undefined }
      })
    )
    const source = { path, format: looked.format ?? "auto", digest: "0".repeat(64), spec: name }
    return yield* runStage(bench, ingest, { with: params, sources: { source } })
  })

const rows = (n: number) =>
  `text,label\n${Array.from({ length: n }, (_, i) => `row ${i},${i % 2 === 0 ? "a" : "b"}`).join("\n")}\n`
const lines = (n: number) => '{"text":"a","label":"b"}\n'.repeat(n)
const utf16 = (text: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")])
const deep = (n: number) => "[".repeat(n) + "]".repeat(n)
const wide = (n: number) => Array.from({ length: n }, (_, at) => `c${at}`).join(",")

const people = readFileSync(fileURLToPath(new URL("testdata/people.parquet", import.meta.url)))

/** Pages that are noise, under a footer whose last column is none of the schema's. */
const misnamed = (): Buffer => {
  const bytes = Buffer.from(people)
  bytes.fill(0xff, 4, 200)
  const name = parquetSchema(parquetMetadata(new Uint8Array(bytes).buffer)).children.at(-1)!.element.name
  bytes.fill("z", bytes.lastIndexOf(name), bytes.lastIndexOf(name) + name.length)
  return bytes
}

/** A file, and what is said of it behind its name: the line where there is one, and the fault. */
const refused: Readonly<Record<string, readonly [string | Uint8Array, RegExp]>> = {
  "a ragged row": [`${rows(4)}only one\n`, /^:6: 1 fields where the header has 2/u],
  "a quote that is not closed": [
    `${rows(4)}"open\n${rows(9)}`,
    /^:6: the quote that opens a field here is not closed/u
  ],
  "text behind a quote": [`${rows(4)}"a"b,x\n`, /^:6: text follows the closing quote of a field/u],
  "a header twice": ["text,label,text\na,b,c\n", /^:1: the header names "text" twice/u],
  "a header with __proto__": ["text,label,__proto__\na,b,c\n", /^:1: a column cannot be called "__proto__"/u],
  "a NUL far down": [`${rows(40_000)}a\0b,x\n`, /^:40002: the line holds a NUL character/u],
  "a NUL in JSONL": [`${lines(9000)}{"text":"a\0","label":"x"}\n`, /^:9001: the line holds a NUL character/u],
  "UTF-16 without a mark": [Buffer.from(rows(4), "utf16le"), /^:1: the line holds a NUL character/u],
  "UTF-16 that ends within a character": [
    Buffer.concat([utf16(rows(4)), Buffer.from("a")]),
    /^:6: the file ends within a character of UTF-16LE/u
  ],
  "half a surrogate pair in UTF-16": [utf16(`${rows(4)}\ud800x,a\n`), /^:6: the line is not UTF-16LE text/u],
  "bytes that are not UTF-8": [
    Buffer.concat([Buffer.from(rows(4)), Buffer.from([0xc3, 0x28])]),
    /^:6: the line is not UTF-8 text/u
  ],
  "half a surrogate pair in JSON": [
    String.raw`{"text":"a\ud800","label":"x"}`,
    /^:1: "text" is no text: half of a surrogate pair/u
  ],
  "half a surrogate pair in a key": [String.raw`{"text":"a","label":"x","\udfff":1}`, /^:1: half of a surrogate pair/u],
  "an integer beyond 2^53": [
    '{"text":"a","label":9007199254740993}',
    /^:1: "label" is an integer beyond 2\^53, which loses digits: write 9007199254740993 in quotes/u
  ],
  "an integer beyond 2^53 within a list": [
    '{"text":"a","label":["x",[9007199254740993]]}',
    /^:1: "0" is an integer beyond 2\^53/u
  ],
  "a number beyond all": ['{"text":"a","label":1e999}', /^:1: "label" is a number too large to be read: 1e999/u],
  "JSONL that was cut": [`${lines(3)}{"text":"b","la`, /^:4: not JSON: /u],
  "mixed types": [
    `${lines(2)}[1]\n"s"\nnull\n{"text":{"a":1},"label":"y"}\n`,
    /^:3: not a JSON object \(and 3 more rows with a fault/u
  ],
  "JSON nested 200 000 deep": [`${lines(1)}{"text":${deep(200_000)},"label":"x"}`, /^:2: /u],
  "JSON that was cut": [
    '[{"text":"a","label":"x"},{"text":"b"',
    /^:1: the file ends within a JSON value: it was cut off/u
  ],
  "JSON with a tail": ['[{"text":"a","label":"x"}] []', /^:1: text follows the end of the JSON value/u],
  "JSON with a false escape in a key": [`${lines(1)}${String.raw`{"te\xt":"a","label":"x"}`}`, /^:2: not JSON: /u],
  "an empty file": ["", /^:1: the file is empty/u],
  "gzip that was cut": [
    gzipSync(rows(9000)).subarray(0, 500),
    /^:1: the gzip data is damaged or cut off: unexpected end of file/u
  ],
  "gzip with a tail": [
    Buffer.concat([gzipSync(rows(9)), Buffer.from("garbage")]),
    /^:1: the gzip data is damaged or cut off/u
  ],
  "zstd that was cut": [zstdCompressSync(rows(9000)).subarray(0, 500), /^:1: the zstd data is damaged or cut off/u],
  "Parquet's mark alone": ["PAR1", /^:1: the Parquet file is damaged or cut off: /u],
  "Parquet whose footer lies": [
    Buffer.concat([Buffer.from("PAR1"), Buffer.alloc(99, 7), Buffer.from([255, 255, 255, 127]), Buffer.from("PAR1")]),
    /^:1: the Parquet file is damaged or cut off: /u
  ],
  // Found by fuzzing: a page that cannot be read was then a rejection that nobody awaited, which ended the process.
  "Parquet whose column is none of its schema": [
    misnamed(),
    /^:1: the Parquet file is damaged or cut off: its schema has no column /u
  ],
  "Arrow's mark alone": ["ARROW1", /^:1: the Arrow file is damaged or cut off: /u],
  "Arrow whose footer lies": [
    Buffer.concat([
      Buffer.from("ARROW1\0\0"),
      Buffer.alloc(99, 7),
      Buffer.from([255, 255, 255, 127]),
      Buffer.from("ARROW1")
    ]),
    /^:1: the Arrow file is damaged or cut off: /u
  ],
  "two hundred thousand columns": [
    `${wide(200_000)}\n${wide(200_000)}\n`,
    /: no row has a column "text"; it has c0, .* c19 and 199980 more/u
  ]
}

for (const [name, [bytes, says]] of Object.entries(refused)) {
  it.effect(`${name}: a placed failure, and nothing is made`, () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(name, bytes))
      assert.instanceOf(error, StageError)
      const { hint, message } = error as StageError
      assert.strictEqual(message.slice(0, name.length), name)
      assert.match(message.slice(name.length), says)
      assert.notStrictEqual(hint, "")
    })
  )
}

const tweet = String.raw`{"id":1234567890123456789,"text":"a","label":"x","user":{"ids":[9007199254740993,1e999]},"bio":"\ud800"}`

for (const [format, text] of [
  ["JSONL", `${tweet}\n`],
  ["JSON", `[${tweet}]`]
] as const)
  it.effect(
    `${format}: a number that JSON cannot hold counts in a column that is read, by whomever, and in no other`,
    () =>
      Effect.gen(function* () {
        const name = `tweets in ${format}`
        assert.strictEqual((yield* read(name, text)).counts["rows_out"], 1)
        const readers = [
          [{ columns: { text: "id", label: "label" } }, "id"],
          [{ keep: ["id"] }, "id"],
          [{ keep: ["user"] }, "0"],
          [{ keep: ["bio"] }, "bio"],
          [{ where: "id > 1" }, "id"]
        ] as const
        for (const [more, column] of readers) {
          const { message } = (yield* Effect.flip(read(name, text, more))) as StageError
          assert.include(message, `:1: "${column}" is `)
        }
      })
  )

it.effect("what is odd and right is read as it stands", () =>
  Effect.gen(function* () {
    const right: Readonly<Record<string, readonly [string | Uint8Array, number]>> = {
      "quoted newlines": ['text,label\n"a\nb",x\n"c\r\n\r\nd",y\n', 2],
      "a byte order mark": [`\ufeff${rows(4)}`, 4],
      "UTF-16 with its mark": [utf16(rows(4)), 4],
      "fields of a mebibyte": [`${rows(2)}${"x".repeat(1 << 20)},a\n"${"y\n".repeat(1 << 19)}",b\n`, 4],
      "labels that objects have": ["text,label\na,constructor\nb,__proto__\n", 2],
      "a key that objects have": ['{"text":"a","label":"x","__proto__":{"y":1}}\n', 1],
      "the same row again": [lines(5), 5],
      "two members of gzip": [Buffer.concat([gzipSync(rows(9)), gzipSync("x,y\n")]), 10],
      "whole numbers up to 2^53": [
        '{"text":"a","label":9007199254740991}\n{"text":"1234567890123456789","label":-1.5e100}\n',
        2
      ]
    }
    for (const [name, [bytes, expected]] of Object.entries(right)) {
      const { counts } = yield* read(name, bytes)
      assert.deepStrictEqual([name, counts["rows_out"]], [name, expected])
    }
  })
)
