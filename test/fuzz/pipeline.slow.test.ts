import { decodePipeline } from "@hone/core/file/Decode"
import { PipelineFaults } from "@hone/core/Fault"
import { registry } from "@hone/steps"
import * as fc from "fast-check"
import { expect } from "vitest"
import { fuzz, spoilt, textOf } from "./fuzz.ts"

const decode = (text: string, sets: ReadonlyArray<string> = []): void => {
  const result = decodePipeline({ file: "fuzz.yaml", text, sets, env: { HOME: "/home", N: "3" } }, registry)
  if (!(result instanceof PipelineFaults)) return
  expect(result.faults.length).toBeGreaterThan(0)
  const lines = text.split(/\r\n|\r|\n/u)
  for (const { column, file, line, message } of result.faults) {
    expect(message).not.toBe("")
    if (file !== "fuzz.yaml") continue
    // A place that is there: an editor jumps to it.
    expect(line >= 1 && line <= lines.length + 1 && column >= 1).toBe(true)
  }
  expect(result.message).toContain("fuzz.yaml")
}

const yaml = [
  "name: x\n",
  "steps:\n",
  "  a: ",
  "{ uses: ingest, with: { source: a.csv } }\n",
  "  b: { uses: split, in: { rows: a }, with: { test: 0.5 } }\n",
  "${params.x}",
  "${env.N}",
  "${steps.a.with.source}",
  "params: { x: 1 }\n",
  "env: [N]\n",
  "matrix: { s: [1, 2] }",
  "include: y\n",
  "&a ",
  "*a",
  "<<: *a",
  "!!binary ",
  "? ",
  "- ",
  ": ",
  "|\n",
  ">\n",
  "[",
  "]",
  "{",
  "}",
  ",",
  "#",
  "'",
  '"',
  "\\",
  "\t",
  "\n",
  "  ",
  "~",
  ".nan",
  "0x7fffffffffffffff",
  "__proto__: ",
  "constructor: ",
  "%YAML 1.1\n---\n",
  "...\n",
  "\ufeff",
  "\u0085"
]

fuzz(
  "yaml: any text is a pipeline or faults that have a place",
  fc.tuple(textOf(yaml), fc.array(textOf(["a.with.x=", "seed=", "params.", "=", "[", "1", "."], 5), { maxLength: 2 })),
  ([text, sets]) => decode(text, sets)
)

const sound = `name: fuzz
seed: 7
params: &p { rate: 2e-4 }
env: { N: 1 }
steps:
  rows: { uses: ingest, with: { source: a.csv, task: text-classification, columns: { text: t, label: s }, sample: "\${env.N}" } }
  base: { uses: base, with: { model: minilm-l6 } }
  tokens: { uses: tokenize, in: { rows: rows, tokenizer: base.tokenizer }, with: { max_length: 64 } }
  parts: { uses: split, matrix: { s: [1, 2] }, in: { rows: tokens }, with: { test: 0.4, seed: "\${matrix.s}" } }
  tuned: { uses: train, in: { model: base.model, train: parts.train, validation: parts.validation }, with: { learning_rate: "\${params.rate}" } }
`

fuzz("yaml: a spoilt pipeline is a pipeline or faults that have a place", spoilt(Buffer.from(sound)), (bytes) =>
  decode(bytes.toString("utf8"))
)

const key = fc.constantFrom(
  "name",
  "seed",
  "params",
  "env",
  "include",
  "steps",
  "uses",
  "in",
  "with",
  "matrix",
  "a",
  "rows",
  "source",
  "__proto__",
  "constructor",
  "toString"
)
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(
      "ingest",
      "split",
      "a",
      "a.rows",
      "${params.a}",
      "${steps.a.with.source}",
      1,
      -1,
      true,
      null,
      1e999
    ),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 5 })
  )
}))

fuzz("yaml: any tree is a pipeline or faults that have a place", tree, (value) =>
  decode(JSON.stringify({ name: "x", steps: value }))
)
