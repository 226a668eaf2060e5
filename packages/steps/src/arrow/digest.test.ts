import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeData, RecordBatch, Schema, Struct } from "apache-arrow"
import * as fc from "fast-check"
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import * as columns from "./columns.ts"
import { ContentDigest } from "./digest.ts"
import * as reader from "./reader.ts"
import { takeRows } from "./take.ts"
import { TableWriter, writeTable } from "./writer.ts"

interface Row {
  readonly id: string
  readonly note: string | null
  readonly ids: ReadonlyArray<number>
  readonly score: number
  readonly weight: number | null
  readonly cut: boolean
  readonly label: string
}

const names = ["alpha", "beta", "gamma", "delta"]

const row = fc.record<Row>({
  id: fc.string({ unit: "grapheme" }),
  note: fc.option(fc.string()),
  ids: fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 5 }),
  score: fc.double(),
  weight: fc.option(fc.double()),
  cut: fc.boolean(),
  label: fc.constantFrom("alpha", "beta", "gamma")
})

const batchOf = (rows: ReadonlyArray<Row>, dictionary = columns.labelDictionary(names)) => ({
  id: columns.utf8(rows.map(({ id }) => id)),
  note: columns.nullableUtf8(rows.map(({ note }) => note)),
  ids: columns.listInt32(
    Int32Array.from(rows.flatMap(({ ids }) => ids)),
    columns.offsetsOf(rows.map(({ ids }) => ids.length))
  ),
  score: columns.float64(Float64Array.from(rows, ({ score }) => score)),
  weight: columns.nullableFloat64(rows.map(({ weight }) => weight)),
  cut: columns.bool(rows.map(({ cut }) => cut)),
  label: columns.labels(
    Int32Array.from(rows, ({ label }) => dictionary.names.indexOf(label)),
    dictionary
  )
})

const contentOf = (...batches: ReadonlyArray<RecordBatch>): string => {
  const digest = new ContentDigest()
  for (const batch of batches) digest.update(batch)
  return digest.finish().content
}

const content = (rows: ReadonlyArray<Row>, dictionary?: columns.LabelDictionary): string =>
  contentOf(columns.makeBatch(batchOf(rows, dictionary)))

describe("the content digest", () => {
  it("does not hang on where batches end", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), fc.nat(12), (rows, cut) => {
        const dictionary = columns.labelDictionary(names)
        const pieces = [rows.slice(0, cut), rows.slice(cut)].map((part) => columns.makeBatch(batchOf(part, dictionary)))
        assert.strictEqual(contentOf(...pieces), content(rows))
        const whole = columns.makeBatch(batchOf(rows, dictionary))
        assert.strictEqual(
          contentOf(whole.slice(0, cut), whole.slice(cut)),
          content(rows),
          "slices, which have offsets"
        )
      })
    )
  })

  it("does not hang on the order of a dictionary, but on its names: unused ones too", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 8 }), fc.shuffledSubarray(names, { minLength: 4 }), (rows, order) => {
        assert.strictEqual(content(rows, columns.labelDictionary(order)), content(rows))
        assert.notStrictEqual(content(rows, columns.labelDictionary(names.slice(0, 3))), content(rows))
      })
    )
  })

  it("does not hang on a null buffer without nulls, nor on the values under nulls", () => {
    const make = (data: Float64Array, nullCount: number, nullBitmap?: Uint8Array) => {
      const [field] = columns.makeBatch({ x: columns.nullableFloat64([1, null]) }).schema.fields
      const values = makeData({
        type: field!.type,
        length: 3,
        data,
        nullCount,
        ...(nullBitmap ? { nullBitmap } : {})
      } as never)
      const children = [values]
      return new RecordBatch(
        new Schema([field!]),
        makeData({ type: new Struct([field!]), length: 3, nullCount: 0, children })
      )
    }
    const plain = contentOf(make(Float64Array.of(1, 2, 3), 0))
    assert.strictEqual(contentOf(make(Float64Array.of(1, 2, 3), 0, Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0))), plain)
    const middle = Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0)
    assert.strictEqual(
      contentOf(make(Float64Array.of(1, 9, 3), 1, middle)),
      contentOf(make(Float64Array.of(1, 8, 3), 1, middle))
    )
    assert.notStrictEqual(contentOf(make(Float64Array.of(1, 2, 3), 1, middle)), plain)
  })

  it("differs for other rows", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 6 }), fc.array(row, { maxLength: 6 }), (left, right) => {
        const same = left.length === right.length && left.every((row, at) => sameRow(row, right[at]!))
        assert.strictEqual(content(left) === content(right), same)
      })
    )
  })

  it("takes every NaN for one, and tells -0 from 0", () => {
    const odd = new Float64Array(1)
    new BigUint64Array(odd.buffer)[0] = 0x7ff8_0000_0000_0123n
    const of = (values: Float64Array) => contentOf(columns.makeBatch({ x: columns.float64(values) }))
    assert.strictEqual(of(odd), of(Float64Array.of(NaN)))
    assert.notStrictEqual(of(Float64Array.of(-0)), of(Float64Array.of(0)))
  })

  it("keeps apart a column's name, type and nullability, and where one text ends", () => {
    const digests = [
      { x: columns.utf8(["a", "bc"]) },
      { y: columns.utf8(["a", "bc"]) },
      { x: columns.utf8(["ab", "c"]) },
      { x: columns.nullableUtf8(["a", "bc"]) },
      { x: columns.binary([Buffer.from("a"), Buffer.from("bc")]) },
      { x: columns.float32(Float32Array.of(1, 2)) },
      { x: columns.float64(Float64Array.of(1, 2)) }
    ].map((batch) => contentOf(columns.makeBatch(batch as never)))
    assert.strictEqual(new Set(digests).size, digests.length)
  })

  it("is what it was: a changed digest would run every step of every user anew", () => {
    const rows: Array<Row> = [
      { id: "one", note: null, ids: [1, 2], score: 0.5, weight: 1, cut: true, label: "beta" },
      { id: "zwei", note: "ü", ids: [], score: -0, weight: null, cut: false, label: "alpha" }
    ]
    expect(content(rows)).toMatchInlineSnapshot(`"80701ad7e3a270317cddf17f515a468143cc710e8f5b8c6a43ca352a2a4a2a85"`)
  })
})

const sameRow = (left: Row, right: Row): boolean => JSON.stringify(left, signed) === JSON.stringify(right, signed)

const signed = (_: string, value: unknown) =>
  typeof value === "number" ? (Object.is(value, -0) ? "-0" : String(value)) : value

describe("an artifact's file", () => {
  let folder: string
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "hone-arrow-"))))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("gives back what was written, over several batches, with one dictionary", () => {
    let count = 0
    fc.assert(
      fc.property(fc.array(row, { maxLength: 9 }), fc.array(row, { maxLength: 9 }), (left, right) => {
        const dictionary = columns.labelDictionary(["gamma", "alpha", "beta"])
        const writer = new TableWriter(folder, `${count++}.arrow`)
        writer.write(batchOf(left, dictionary))
        writer.write(batchOf(right, dictionary))
        const output = writer.finish({ views: { inputs: ["id", "ids"] } })
        const rows = [...left, ...right]
        const table = reader.readTable({ path: join(folder, output.file), blob: output.blob })
        assert.deepStrictEqual(
          reader.strings(table, "id"),
          rows.map(({ id }) => id.toWellFormed())
        )
        assert.deepStrictEqual(
          reader.nullableStrings(table, "note"),
          rows.map(({ note }) => note)
        )
        assert.deepStrictEqual(
          reader.int32Lists(table, "ids").map((ids) => [...ids]),
          rows.map(({ ids }) => [...ids])
        )
        assert.deepStrictEqual(
          [...reader.float64s(table, "score")],
          rows.map(({ score }) => score)
        )
        assert.deepStrictEqual(
          reader.nullableFloat64s(table, "weight"),
          rows.map(({ weight }) => weight)
        )
        assert.deepStrictEqual(
          reader.bools(table, "cut"),
          rows.map(({ cut }) => cut)
        )
        const label = reader.labelColumn(table, "label")
        assert.deepStrictEqual(label.names, ["alpha", "beta", "gamma"])
        assert.deepStrictEqual(
          [...label.indices].map((index) => label.names[index]),
          rows.map((row) => row.label)
        )
        assert.strictEqual(contentOf(...table.batches), output.content, "read from the file, the content is the same")
        assert.strictEqual(output.bytes, readFileSync(join(folder, output.file)).length)
      }),
      { numRuns: 40 }
    )
  })

  it("has the same bytes for the same batches", () => {
    const rows: Array<Row> = [{ id: "a", note: null, ids: [3], score: 1, weight: 2, cut: true, label: "beta" }]
    const [first, second] = ["a", "b"].map((name) => writeTable(folder, `same-${name}.arrow`, batchOf(rows)))
    assert.strictEqual(first!.blob, second!.blob)
  })

  it("is refused when a byte of it changed", () => {
    const output = writeTable(folder, "spoilt.arrow", { x: columns.int32(Int32Array.of(1, 2, 3)) })
    const path = join(folder, output.file)
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
    expect(() => reader.readTable({ path, blob: output.blob })).toThrow(/are not those that were written/)
    expect(() => reader.readTable({ path: join(folder, "absent"), blob: output.blob })).toThrow(
      /cannot be opened.*ENOENT/
    )
  })

  it("views the bytes read rather than copying them", () => {
    const output = writeTable(folder, "view.arrow", { x: columns.int32(Int32Array.of(1, 2, 3)) })
    const table = reader.readTable({ path: join(folder, output.file), blob: output.blob })
    assert.isAbove(reader.int32s(table, "x").buffer.byteLength, 3 * 4)
  })

  it("has a view that hangs on its own columns alone", () => {
    const write = (name: string, text: string, id: string) =>
      writeTable(
        folder,
        `${name}.arrow`,
        { id: columns.utf8([id]), text: columns.utf8([text]) },
        { views: { inputs: ["id"] } }
      )
    const [a, b, c] = [write("v1", "one", "x"), write("v2", "two", "x"), write("v3", "one", "y")]
    assert.strictEqual(a.views["inputs"], b.views["inputs"])
    assert.notStrictEqual(a.content, b.content)
    assert.notStrictEqual(a.views["inputs"], c.views["inputs"])
  })

  it("counts metadata as content, or what of it the writer names", () => {
    mkdirSync(join(folder, "m"))
    const write = (name: string, metadata: Record<string, string>, contentMetadata?: string) =>
      writeTable(
        join(folder, "m"),
        name,
        { x: columns.utf8([]) },
        contentMetadata ? { metadata, contentMetadata } : { metadata }
      )
    assert.notStrictEqual(write("1", { a: "1" }).content, write("2", { a: "2" }).content)
    assert.strictEqual(write("3", { a: "1" }, "same").content, write("4", { a: "2" }, "same").content)
  })

  it("yields any rows in any order, nulls and names included", () => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 9 }),
        fc.nat(9),
        fc.array(fc.nat(), { maxLength: 9 }),
        (rows, cut, picks) => {
          const dictionary = columns.labelDictionary(names)
          const wanted = picks.map((pick) => pick % rows.length)
          const whole = columns.makeBatch(batchOf(rows, dictionary))
          const taken = takeRows(tableOf(rows, cut, dictionary), Int32Array.from(wanted), whole.schema)
          assert.strictEqual(contentOf(taken), content(wanted.map((at) => rows[at]!)))
        }
      ),
      { numRuns: 60 }
    )
  })

  const tableOf = (rows: ReadonlyArray<Row>, cut: number, dictionary: columns.LabelDictionary) => {
    const place = mkdtempSync(join(folder, "take-"))
    const writer = new TableWriter(place, "x.arrow")
    writer.write(batchOf(rows.slice(0, cut), dictionary))
    writer.write(batchOf(rows.slice(cut), dictionary))
    const { blob } = writer.finish()
    return reader.readTable({ path: join(place, "x.arrow"), blob })
  }
})
