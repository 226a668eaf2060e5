import { readFileSync, writeFileSync } from "node:fs"
import { afterAll, assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { folderIn, keep, makeBench } from "../testing/context.ts"
import type { ModelManifest } from "./manifest.ts"
import { type Model, readModel, type Tensor, writeModel } from "./model.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const manifest: ModelManifest = {
  format: "hone-model/1",
  family: "bert",
  config: { model_type: "bert", hidden_size: 2, num_hidden_layers: 2, num_attention_heads: 1, intermediate_size: 4 },
  task: null,
  head: null,
  tokenizer: null,
  trainable: null,
  base: null
}

const tensor = (...values: Array<number>): Tensor => ({ shape: [values.length], values: Float32Array.from(values) })

const tensors = (): Map<string, Tensor> =>
  new Map([
    ["encoder.layer.1.output.dense.bias", tensor(5, 6)],
    ["embeddings.word_embeddings.weight", { shape: [2, 2], values: Float32Array.of(1, 2, 3, -0) }],
    ["encoder.layer.0.output.dense.bias", tensor(7, 8)],
    ["pooler.dense.bias", tensor(9)]
  ])

const blobPath = (blob: string) => bench.blobs.get(blob)!

let folders = 0
const write = (
  changed: Map<string, Tensor>,
  options: { from?: Model; manifest?: ModelManifest; dropped?: Array<string> } = {}
) => {
  const folder = folderIn(bench, `model-${folders++}`)
  const output = writeModel({ manifest, ...options, folder, file: "model.arrow", tensors: changed })
  return { output, input: keep(bench, folder, output), path: `${folder}/model.arrow` }
}

it("tensors come back with the bits that were written", () => {
  const { input, output } = write(tensors())
  const model = readModel(input, blobPath)
  assert.deepStrictEqual(model.manifest, manifest)
  assert.strictEqual(model.content, output.content)
  const words = model.read("embeddings.word_embeddings.weight")
  assert.deepStrictEqual([...words], [1, 2, 3, -0])
  assert.isTrue(Object.is(words[3], -0))
  assert.throws(() => model.read("classifier.weight"), /no tensor classifier.weight/)
})

it("a model has one content digest, stored whole or as a difference to a difference", () => {
  const base = readModel(write(tensors()).input, blobPath)
  const first = write(new Map([["encoder.layer.1.output.dense.bias", tensor(50, 60)]]), { from: base })
  const second = write(new Map([["pooler.dense.bias", tensor(90)]]), { from: readModel(first.input, blobPath) })
  const whole = new Map([
    ...tensors(),
    ["encoder.layer.1.output.dense.bias", tensor(50, 60)],
    ["pooler.dense.bias", tensor(90)]
  ])
  const direct = write(whole)
  assert.strictEqual(second.output.content, direct.output.content)
  assert.deepStrictEqual(second.output.views, direct.output.views)
  assert.strictEqual(second.output.links.length, 2)
  assert.deepStrictEqual(direct.output.links, [])
  const read = readModel(second.input, blobPath)
  assert.deepStrictEqual(
    [...read.tensors].map(({ name }) => [name, [...read.read(name)]]),
    [...readModel(direct.input, blobPath).tensors].map(({ name }) => [name, [...whole.get(name)!.values]])
  )
})

it("a tensor that training left as it was is stored once", () => {
  const base = write(tensors())
  const again = write(tensors(), { from: readModel(base.input, blobPath) })
  assert.deepStrictEqual(again.output.links, [base.output.blob])
  assert.strictEqual(again.output.content, base.output.content)
})

it("a prefix hangs on what is in front of the cut and on nothing behind", () => {
  const base = write(tensors())
  const from = readModel(base.input, blobPath)
  const tuned = write(new Map([["encoder.layer.1.output.dense.bias", tensor(0, 0)]]), {
    from,
    manifest: { ...manifest, head: { pooling: "mean", labels: ["a", "b"], dropout: 0.1 } }
  })
  const other = write(
    new Map([["embeddings.word_embeddings.weight", { shape: [2, 2], values: Float32Array.of(1, 2, 3, 0) }]]),
    { from }
  )
  const { views } = base.output
  assert.deepStrictEqual(Object.keys(views), ["prefix/0", "prefix/1", "prefix/2", "pooled/mean", "pooled/cls"])
  assert.strictEqual(tuned.output.views["prefix/1"], views["prefix/1"])
  assert.notStrictEqual(tuned.output.views["prefix/2"], views["prefix/2"])
  assert.notStrictEqual(other.output.views["prefix/0"], views["prefix/0"])
  // Pinned: a change of the layout of digests must be seen.
  assert.strictEqual(base.output.content, "c1f8fc7f8039514071043be392a6114be8df4bd8b30e795caa42d6a25db307c9")
  assert.strictEqual(views["prefix/1"], "82273a2c264d1ccda148374ce50a4add30c98754868445948d10a490340792c8")
})

it("a linked file whose bytes changed is refused when it is read, not before", () => {
  const base = write(tensors())
  const tuned = write(new Map([["pooler.dense.bias", tensor(90)]]), { from: readModel(base.input, blobPath) })
  const bytes = readFileSync(base.path)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(base.path, bytes)
  const model = readModel(tuned.input, blobPath)
  assert.deepStrictEqual([...model.read("pooler.dense.bias")], [90])
  const error = caught(() => model.read("encoder.layer.0.output.dense.bias"))
  assert.instanceOf(error, StageError)
  assert.strictEqual((error as StageError).code, "artifact_corrupt")
})

const caught = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}
