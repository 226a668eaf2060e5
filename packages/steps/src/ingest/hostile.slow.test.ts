import { execFile } from "node:child_process"
import { createWriteStream, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { createGzip, createZstdCompress } from "node:zlib"
import { afterAll, assert, it } from "@effect/vitest"
import { type Bench, makeBench } from "../testing/context.ts"

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
    /:3: the record is longer than 8 Mi characters: is a quote not closed\?/u
  ],
  "a line of 100 MB": [
    plain(() => `{"text":"${"x".repeat(100e6)}","label":"a"}\n`),
    /:1: the line is longer than 8 Mi characters/u
  ],
  "a JSON element of 100 MB": [
    plain(() => `[{"text":"${"x".repeat(100e6)}","label":"a"}]`),
    /:1: the element is longer than 8 Mi characters/u
  ],
  "gzip of a gigabyte of rows": [
    (path) => bomb(path, 1024, "text,label\n", createGzip()),
    /more than 200 times its bytes: that is no data but a gzip bomb/u
  ],
  "gzip of a gigabyte in one line": [
    (path) => bomb(path, 1024, "x", createGzip()),
    /:1: the record is longer than 8 Mi characters|gzip bomb/u
  ],
  "zstd of two gigabytes": [
    (path) => bomb(path, 2048, "text,label\n", createZstdCompress()),
    /no data but a zstd bomb/u
  ]
}

const reader = fileURLToPath(new URL("../testing/readHostile.ts", import.meta.url))

for (const [name, [make, says]] of Object.entries(cases)) {
  it(`${name}: refused in seconds, within 200 MB`, async () => {
    const path = join(bench.folder, name.replaceAll(/\W/gu, "-"))
    await make(path)
    // As the runner starts its workers.
    const { stdout } = await promisify(execFile)(process.execPath, ["--max-semi-space-size=4", reader, path])
    const { bytes, message, seconds } = JSON.parse(stdout) as { bytes: number; message: string; seconds: number }
    assert.match(message, says)
    assert.isBelow(bytes, 200e6)
    assert.isBelow(seconds, 30)
  }, 180_000)
}
