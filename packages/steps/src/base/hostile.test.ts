import { cpSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { type Bench, makeBench, runStage } from "../testing/context.ts"
import { base } from "./index.ts"

const bench: Bench = makeBench()
afterAll(() => bench.dispose())

const tiny = fileURLToPath(new URL("../../../../test/golden/tiny-families/bert", import.meta.url))

const soundTokenizer = {
  model: { type: "WordPiece", vocab: { "[PAD]": 0, "[UNK]": 1, a: 2 } },
  added_tokens: [{ id: 95 }]
}

/** A model that `base` takes, in a folder that a test may spoil. */
const soundFolder = (name: string): string => {
  const folder = join(bench.folder, name.replaceAll(/\W/gu, "-"))
  mkdirSync(folder)
  for (const file of ["config.json", "model.safetensors"]) cpSync(join(tiny, file), join(folder, file))
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(soundTokenizer))
  return folder
}

type Spoil = (folder: string) => void

const json =
  (name: string, change: (value: any) => unknown): Spoil =>
  (folder) => {
    const path = join(folder, name)
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))))
  }

const config = (change: object): Spoil => json("config.json", (value: object) => ({ ...value, ...change }))
const tokenizer = (change: object): Spoil => json("tokenizer.json", (value: object) => ({ ...value, ...change }))

const header =
  (change: (entries: Record<string, any>, names: ReadonlyArray<string>) => unknown): Spoil =>
  (folder) => {
    const path = join(folder, "model.safetensors")
    const bytes = readFileSync(path)
    const length = Number(bytes.readBigUInt64LE(0))
    const entries = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<string, any>
    const changed = change(
      entries,
      Object.keys(entries).filter((name) => name !== "__metadata__")
    )
    const text = typeof changed === "string" ? changed : JSON.stringify(changed)
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
    writeFileSync(path, Buffer.concat([size, Buffer.from(text), bytes.subarray(8 + length)]))
  }

/** How a folder is spoilt, the code of the failure, and what its message says. */
const cases: Readonly<Record<string, readonly [Spoil, string, RegExp]>> = {
  "weights cut in the middle": [
    (folder) => truncateSync(join(folder, "model.safetensors"), 20_000),
    "bad_weights",
    /^model\.safetensors: not a valid safetensors file: tensor ".*" lies at \d+ to \d+ of \d+ bytes/u
  ],
  "weights of seven bytes": [
    (folder) => truncateSync(join(folder, "model.safetensors"), 7),
    "bad_weights",
    /it has 7 bytes/u
  ],
  "a header longer than the file": [
    (folder) => {
      const bytes = readFileSync(join(folder, "model.safetensors"))
      bytes.writeBigUInt64LE(2n ** 63n - 1n)
      writeFileSync(join(folder, "model.safetensors"), bytes)
    },
    "bad_weights",
    /its header says 9223372036854775807 bytes/u
  ],
  "a header that is no JSON": [header(() => '{"a": '), "bad_weights", /its header is not JSON/u],
  "overlapping offsets": [
    header((entries, [first, second]) => ({
      ...entries,
      [second!]: { ...entries[first!], data_offsets: entries[first!].data_offsets }
    })),
    "bad_weights",
    /overlaps another/u
  ],
  "negative offsets": [
    header((entries, [first]) => ({ ...entries, [first!]: { ...entries[first!], data_offsets: [-8, 8] } })),
    "bad_weights",
    /has no valid offsets/u
  ],
  "a huge shape": [
    header((entries, [first]) => ({ ...entries, [first!]: { ...entries[first!], shape: [2 ** 40, 2 ** 40] } })),
    "bad_weights",
    /has shape \[1099511627776, 1099511627776\]/u
  ],
  "a shape whose product wraps round": [
    header((entries, [first]) => ({
      ...entries,
      [first!]: { ...entries[first!], shape: [2 ** 53 - 1, 2 ** 53 - 1, 0] }
    })),
    "bad_weights",
    /bytes, and \d+ bytes of data|overlaps another|follows a hole/u
  ],
  "a name twice": [
    header(
      (entries, [first]) =>
        `{${JSON.stringify(first)}:${JSON.stringify(entries[first!])},${JSON.stringify(entries).slice(1)}`
    ),
    "bad_weights",
    /occurs twice/u
  ],
  "a name with ..": [
    header((entries, [first]) => {
      const { [first!]: moved, ...rest } = entries
      return { ...rest, "../../../outside": moved }
    }),
    "weights_mismatch",
    /missing: .*\n.*left over: \.\.\/\.\.\/\.\.\/outside/u
  ],
  "a dtype of another world": [
    header((entries, [first]) => ({ ...entries, [first!]: { ...entries[first!], dtype: "constructor" } })),
    "bad_weights",
    /has dtype "constructor"/u
  ],
  "weights that are integers": [
    header((entries, [first]) => ({ ...entries, [first!]: { ...entries[first!], dtype: "I32" } })),
    "bad_weights",
    /has dtype I32; F32, F16 and BF16 can be read/u
  ],
  "a config that is no JSON": [
    (folder) => writeFileSync(join(folder, "config.json"), "{"),
    "unsupported_model",
    /config\.json is no JSON/u
  ],
  "a config that is a list": [
    (folder) => writeFileSync(join(folder, "config.json"), "[]"),
    "unsupported_model",
    /must be an object/u
  ],
  "a config of nine megabytes": [
    (folder) => writeFileSync(join(folder, "config.json"), `{"model_type": "bert", "x": "${"x".repeat(9 << 20)}"}`),
    "unsupported_model",
    /config\.json is no JSON/u
  ],
  "two thousand million blocks": [
    config({ num_hidden_layers: 2 ** 31 - 1 }),
    "weights_mismatch",
    /says 2147483647 blocks, and its weights hold \d+ tensors/u
  ],
  "a block more than there is": [config({ num_hidden_layers: 3 }), "weights_mismatch", /missing: .*layer\.2\./u],
  "another width": [config({ hidden_size: 32 }), "weights_mismatch", /and must be \[/u],
  "a width beyond memory": [
    config({ hidden_size: 2 ** 30, num_attention_heads: 2 ** 20 }),
    "weights_mismatch",
    /must be \[\d+, 1073741824\]/u
  ],
  "another vocabulary": [config({ vocab_size: 97 }), "weights_mismatch", /is \[96, \d+\] and must be \[97, \d+\]/u],
  "a width that is a text": [config({ hidden_size: "32" }), "unsupported_model", /"hidden_size" is "32"/u],
  "a width below nothing": [config({ hidden_size: -32 }), "unsupported_model", /"hidden_size" is -32/u],
  "a tokenizer that is no JSON": [
    (folder) => writeFileSync(join(folder, "tokenizer.json"), '{"model":'),
    "bad_tokenizer",
    /^tokenizer\.json cannot be used: .*JSON/u
  ],
  "a tokenizer without a model": [tokenizer({ model: null }), "bad_tokenizer", /it has no model/u],
  "a tokenizer without a vocabulary": [
    (folder) => writeFileSync(join(folder, "tokenizer.json"), '{"model":{"vocab":{}}}'),
    "bad_tokenizer",
    /it has no vocabulary/u
  ],
  "an id of its vocabulary beyond the embeddings": [
    tokenizer({ model: { type: "WordPiece", vocab: { "[PAD]": 0, a: 96 } } }),
    "vocabulary_mismatch",
    /gives ids up to 96, and the model has embeddings for 96/u
  ],
  "an added id beyond the embeddings": [
    tokenizer({ added_tokens: [{ id: 4_000_000_000 }] }),
    "vocabulary_mismatch",
    /gives ids up to 4000000000/u
  ],
  "an id below nothing": [
    tokenizer({ model: { type: "WordPiece", vocab: { "[PAD]": -1 } } }),
    "bad_tokenizer",
    /a token has the id -1/u
  ],
  "an id that is no number": [tokenizer({ added_tokens: [{ id: "95" }] }), "bad_tokenizer", /a token has the id "95"/u],
  "added tokens that are none": [tokenizer({ added_tokens: [null] }), "bad_tokenizer", /a token has the id null/u]
}

const runBase = (folder: string) =>
  runStage(bench, base, {
    with: { model: "a folder" },
    sources: { model: { path: folder, spec: "a folder", format: "huggingface-folder", digest: "0".repeat(64) } }
  })

const modelsMade = (): number =>
  readdirSync(bench.folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("model.arrow")).length

it.effect("takes the model that the tests below spoil", () =>
  Effect.gen(function* () {
    yield* runBase(soundFolder("sound"))
    assert.strictEqual(modelsMade(), 1)
  })
)

for (const [name, [spoil, code, says]] of Object.entries(cases)) {
  it.effect(`${name}: refused in words, at once, in little memory, and nothing is made`, () =>
    Effect.gen(function* () {
      const folder = soundFolder(name)
      spoil(folder)
      const before = { made: modelsMade(), rss: process.memoryUsage().rss, at: performance.now() }
      const error = yield* Effect.flip(runBase(folder))
      assert.instanceOf(error, StageError)
      const { code: found, hint, message } = error as StageError
      assert.strictEqual(found, code)
      assert.match(message, says)
      assert.notStrictEqual(hint, "")
      assert.isBelow(performance.now() - before.at, 10_000)
      assert.isBelow(process.memoryUsage().rss - before.rss, 200e6)
      assert.strictEqual(modelsMade(), before.made)
    })
  )
}

it.effect("a tokenizer_config.json that states nothing limits nothing", () =>
  Effect.gen(function* () {
    const folder = soundFolder("stating nothing")
    writeFileSync(join(folder, "tokenizer_config.json"), "null")
    const { reported } = yield* runBase(folder)
    const { max_position_embeddings } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"))
    assert.strictEqual(reported["tokenizer"]!.facts["model_max_length"], max_position_embeddings)
  })
)
