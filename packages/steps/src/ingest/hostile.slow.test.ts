import { createWriteStream, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip, createZstdCompress } from "node:zlib"
import { afterAll, assert, it } from "@effect/vitest"
import type { StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { type Bench, makeBench, runStage } from "../testing/context.ts"
import { ingest } from "./index.ts"
import { peek } from "./peek.ts"

const bench: Bench = makeBench()
afterAll(() => bench.dispose())

const MEBIBYTE = 1 << 20

/** So many mebibytes of one line said again and again, through a compressor, without holding them. */
const bomb = async (path: string, mebibytes: number, line: string, compressor: NodeJS.ReadWriteStream) => {
  const piece = Buffer.from(line.repeat(Math.ceil(MEBIBYTE / line.length)))
  await pipeline(Readable.from(Array.from({ length: mebibytes }, () => piece)), compressor, createWriteStream(path))
}

const plain = (text: () => string) => async (path: string) => writeFileSync(path, text())

const rows = "text,label\nx,a\n"

/** What would take gigabytes or minutes: a file, and what is said of it. */
const cases: Readonly<Record<string, readonly [(path: string) => Promise<void>, RegExp]>> = {
  "a quote that is never closed in 40 MB": [
    plain(() => `${rows}"open\n${"x,y\n".repeat(10e6)}`),
    /:3: the record is longer than 16 Mi characters: is a quote not closed\?/u
  ],
  "a line of 100 MB": [
    plain(() => `{"text":"${"x".repeat(100e6)}","label":"a"}\n`),
    /:1: the line is longer than 16 Mi characters/u
  ],
  "a JSON element of 100 MB": [
    plain(() => `[{"text":"${"x".repeat(100e6)}","label":"a"}]`),
    /:1: the element is longer than 16 Mi characters/u
  ],
  "gzip of a gigabyte of rows": [
    (path) => bomb(path, 1024, "text,label\n", createGzip()),
    /more than 200 times its bytes: that is no data but a gzip bomb/u
  ],
  "gzip of a gigabyte in one line": [
    (path) => bomb(path, 1024, "x", createGzip()),
    /:1: the record is longer than 16 Mi characters|gzip bomb/u
  ],
  "zstd of two gigabytes": [
    (path) => bomb(path, 2048, "text,label\n", createZstdCompress()),
    /no data but a zstd bomb/u
  ]
}

for (const [name, [make, says]] of Object.entries(cases)) {
  it.effect(
    `${name}: refused in seconds, within 200 MB`,
    () =>
      Effect.gen(function* () {
        const path = join(bench.folder, name.replaceAll(/\W/gu, "-"))
        yield* Effect.promise(() => make(path))
        globalThis.gc?.()
        const before = process.memoryUsage().rss
        let most = before
        const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20)
        const params = { source: "x", task: "text-classification", columns: { text: "text", label: "label" } }
        const started = process.cpuUsage()
        const { format } = yield* Effect.promise(() => peek(path, { format: "auto", quote: '"', ...params } as never))
        const source = { path, format: format!, digest: "0".repeat(64), spec: name }
        const error = yield* Effect.flip(runStage(bench, ingest, { with: params, sources: { source } }))
        clearInterval(watch)
        const { system, user } = process.cpuUsage(started)
        assert.match((error as StageError).message, says)
        assert.isBelow(most - before, 200e6)
        assert.isBelow((user + system) / 1e6, 30)
      }),
    120_000
  )
}
