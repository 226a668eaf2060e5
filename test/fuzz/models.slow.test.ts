import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { StageError } from "@hone/core/Stage"
import { isUnsupported, readConfig } from "@hone/steps/base/config"
import { writeTokenizer } from "@hone/steps/base/tokenizer"
import { BadSafetensors, readSafetensors } from "@hone/nn/weights/safetensors"
import { parseBertConfig } from "@hone/nn/models/bert/config"
import { Effect } from "effect"
import * as fc from "fast-check"
import { afterAll, expect } from "vitest"
import { fuzz, spoilt, textOf } from "./fuzz.ts"

const folder = mkdtempSync(join(tmpdir(), "hone-fuzz-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const tiny = fileURLToPath(new URL("../golden/tiny-families/bert", import.meta.url))
const config = JSON.parse(readFileSync(join(tiny, "config.json"), "utf8")) as Record<string, unknown>

const readTensors = async (bytes: Uint8Array): Promise<void> => {
  try {
    const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length)
    const file = await readSafetensors({ size: bytes.length, read })
    const spans = [...file.tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)
    spans.forEach(({ begin }, at) => at > 0 && expect(begin).toBe(spans[at - 1]!.end))
    for (const { name } of spans) await file.read(name)
  } catch (error) {
    if (!(error instanceof BadSafetensors)) throw error
  }
}

/** A file of a few bytes of data under a header that says anything. */
const headed = (header: string): Buffer => {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(header)))
  return Buffer.concat([size, Buffer.from(header), Buffer.alloc(16)])
}

const number = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 1e308, null))
const entry = fc.record(
  {
    dtype: fc.constantFrom("F32", "F16", "BF16", "I64", "BOOL", "constructor", 4),
    shape: fc.oneof(fc.array(number, { maxLength: 3 }), number),
    data_offsets: fc.oneof(fc.tuple(fc.nat({ max: 16 }), fc.nat({ max: 20 })), fc.array(number, { maxLength: 3 }))
  },
  { requiredKeys: [] }
)
const name = fc.constantFrom("a", "b", "../c", "__proto__", "__metadata__", "")

fuzz(
  "safetensors: any header is refused in words or covers the data",
  fc.dictionary(name, fc.oneof(entry, fc.jsonValue())),
  async (entries) => readTensors(headed(JSON.stringify(entries)))
)

fuzz(
  "safetensors: spoilt bytes are refused in words or cover the data",
  spoilt(
    headed(
      JSON.stringify({
        a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
        b: { dtype: "F16", shape: [2, 2], data_offsets: [8, 16] }
      })
    )
  ),
  readTensors
)

const fields = [
  ...Object.keys(config),
  "decision_thresholds",
  "id2label",
  "architectures",
  "problem_type",
  "quantization_config"
]
const lies = fc.dictionary(
  fc.constantFrom(...fields),
  fc.oneof(number, fc.jsonValue(), fc.constantFrom("bert", true, {})),
  { maxKeys: 4 }
)

fuzz(
  "config: any config.json is understood or refused in words",
  fc.oneof(
    lies.map((changed) => JSON.stringify({ ...config, ...changed })),
    textOf(["{", "}", '"model_type":', '"bert"', ",", "[", "]", "1"])
  ),
  (text) => {
    const read = readConfig(text)
    if (isUnsupported(read)) expect(read.problem.length * read.hint.length).toBeGreaterThan(0)
    else expect(read.bert.hidden_size % read.bert.num_attention_heads).toBe(0)
  }
)

const bert = parseBertConfig(config)
const vocabulary = fc.oneof(
  fc.dictionary(fc.string(), fc.oneof(number, fc.jsonValue())),
  fc.array(fc.jsonValue()),
  fc.jsonValue()
)
const tokenizers = fc.oneof(
  fc
    .record(
      {
        model: fc.oneof(fc.record({ vocab: vocabulary }), fc.jsonValue()),
        added_tokens: fc.oneof(fc.array(fc.record({ id: number })), fc.jsonValue())
      },
      { requiredKeys: [] }
    )
    .map((value) => JSON.stringify(value)),
  textOf(["{", "}", '"model":', '"vocab":', '"a":', "1", ","])
)

let written = 0
fuzz(
  "tokenizer: any tokenizer.json has ids that the model knows, or is refused in words",
  fc.tuple(tokenizers, fc.oneof(fc.string(), fc.json())),
  async ([tokenizer, settings]) => {
    const place = mkdtempSync(join(folder, `${written++}-`))
    const files = new Map([
      ["tokenizer.json", Buffer.from(tokenizer)],
      ["tokenizer_config.json", Buffer.from(settings)]
    ])
    const result = await Effect.runPromise(Effect.result(writeTokenizer(place, files, bert)))
    if (result._tag === "Failure") expect(result.failure).toBeInstanceOf(StageError)
    else {
      const { model_max_length, vocabulary_size } = result.success.facts as Record<string, number>
      expect(vocabulary_size).toBeLessThanOrEqual(bert.vocab_size)
      expect(model_max_length).toBeLessThanOrEqual(bert.max_position_embeddings)
    }
    rmSync(place, { recursive: true, force: true })
  }
)
