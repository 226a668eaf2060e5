import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import type { Head } from "../artifacts/manifest.ts"
import { float32Lists, readTable, strings } from "../arrow/reader.ts"
import { base } from "../base/index.ts"
import { peek } from "../base/peek.ts"
import { evaluate } from "../evaluate/index.ts"
import { folderIn, makeBench, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { tinyTokenizer } from "../testing/tokenizers.ts"
import { readFolder } from "./folder.ts"
import { exportStep } from "./index.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const tokenizer = tinyTokenizer(bench)
const rows = tokensArtifact(bench, tinyRows(20))
const headOn = (pooling: Head["pooling"]): Head => ({ pooling, labels: ["neg", "pos"], dropout: 0.25 })
const tuned = (pooling: Head["pooling"]) => tinyModel(bench, { head: headOn(pooling), tokenizer: tokenizer.content })

let made = 0
/** The artifact of an export on disk, as a user has it. */
const onDisk = (folder: InputArtifact): string => {
  const place = folderIn(bench, `exported-${made++}`)
  for (const { name, pieces } of readFolder(folder)) writeFileSync(join(place, name), Buffer.concat([...pieces()]))
  return place
}

const exported = (model: InputArtifact, more: Record<string, InputArtifact> = {}, params = {}) =>
  Effect.map(runStage(bench, exportStep, { inputs: { model, tokenizer, ...more }, with: params }), (outcome) => ({
    outcome,
    place: onDisk(outcome.outputs["folder"]!)
  }))

const readBack = (path: string) =>
  runStage(bench, base, {
    with: { model: path },
    sources: { model: { path, spec: path, format: "huggingface-folder", digest: "0".repeat(64) } }
  })

const predictions = (model: InputArtifact) =>
  Effect.map(runStage(bench, evaluate, { stage: "predictions", engine, inputs: { model, rows } }), ({ outputs }) => {
    const table = readTable(outputs["predictions"]!)
    return { predicted: strings(table, "predicted"), scores: float32Lists(table, "scores").map((row) => [...row]) }
  })

const config = (place: string) => JSON.parse(readFileSync(join(place, "config.json"), "utf8")) as Record<string, any>

describe.each(["pooler", "mean"] as const)("a head on the %s", (pooling) => {
  it.effect("read back by base gives the very same predictions, with its label names", () =>
    Effect.gen(function* () {
      const model = tuned(pooling)
      const { place } = yield* exported(model)
      const again = yield* readBack(place)
      const facts = again.reported["model"]!.facts
      assert.deepStrictEqual([facts["labels"], facts["head"]], [["neg", "pos"], pooling])
      // The rows were made under the old tokenizer's digest, which two more files change: nothing of it is in this gate.
      assert.deepStrictEqual(yield* predictions(again.outputs["model"]!), yield* predictions(model))
      assert.deepInclude((yield* Effect.promise(() => peek(place))).facts, { head: true, labels: ["neg", "pos"] })
    })
  )

  it.effect("has the files and the names that transformers looks for", () =>
    Effect.gen(function* () {
      const { outcome, place } = yield* exported(tuned(pooling))
      const files = outcome.reported["folder"]!.facts["files"]
      const own = pooling === "mean" ? ["modeling_hone.py"] : []
      const always = ["README.md", "config.json", "model.safetensors"]
      const tokenizing = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
      assert.deepStrictEqual(files, [...always, ...own, ...tokenizing])
      const { architectures, auto_map, id2label, label2id, problem_type } = config(place)
      assert.deepStrictEqual(id2label, { "0": "neg", "1": "pos" })
      assert.deepStrictEqual(label2id, { neg: 0, pos: 1 })
      assert.strictEqual(problem_type, "single_label_classification")
      const module = auto_map?.AutoModelForSequenceClassification
      if (pooling === "pooler")
        assert.deepStrictEqual([architectures, module], [["BertForSequenceClassification"], undefined])
      else {
        assert.strictEqual(module, `modeling_hone.${architectures[0]}`)
        assert.include(readFileSync(join(place, "modeling_hone.py"), "utf8"), `class ${architectures[0]}(`)
      }
      const said = JSON.parse(readFileSync(join(place, "tokenizer_config.json"), "utf8")) as Record<string, unknown>
      assert.deepInclude(said, { pad_token: "[PAD]", cls_token: "[CLS]", unk_token: "[UNK]", model_max_length: 24 })
      assert.include(said["model_input_names"], "token_type_ids")
    })
  )
})

it.effect.each([
  ["text-regression", "regression", ["value"]],
  ["multi-label-classification", "multi_label_classification", ["joy", "rage", "tears"]]
] as const)(
  "a head for %s says so as transformers does, and is read back for the same task",
  ([task, problem_type, labels]) =>
    Effect.gen(function* () {
      const model = tinyModel(bench, {
        head: { pooling: "mean", labels, dropout: 0 },
        task,
        tokenizer: tokenizer.content
      })
      const { place } = yield* exported(model)
      assert.deepInclude(config(place), {
        problem_type,
        id2label: Object.fromEntries(labels.map((name, at) => [at, name]))
      })
      const { facts } = (yield* readBack(place)).reported["model"]!
      assert.deepInclude(facts, { task, labels })
    })
)

it.effect("exporting twice gives the same bytes", () =>
  Effect.gen(function* () {
    const model = tuned("mean")
    const [first, second] = [yield* exported(model), yield* exported(model)]
    assert.strictEqual(first.outcome.reported["folder"]!.blob, second.outcome.reported["folder"]!.blob)
  })
)

it.effect("the card states rows, digests, labels and rivals, and no path", () =>
  Effect.gen(function* () {
    const metrics = yield* runStage(bench, evaluate, {
      stage: "metrics",
      inputs: {
        predictions: (yield* runStage(bench, evaluate, {
          stage: "predictions",
          engine,
          inputs: { model: tuned("mean"), rows }
        })).outputs["predictions"]!,
        rivals: (yield* runStage(bench, evaluate, { stage: "rivals", inputs: { rows, fit: rows } })).outputs["rivals"]!
      }
    })
    const more = { train: rows, metrics: metrics.outputs["metrics"]! }
    const { place } = yield* exported(tuned("mean"), more, { name: "Films", base_model: "org/tiny", license: "mit" })
    const card = readFileSync(join(place, "README.md"), "utf8")
    for (const text of [
      "# Films",
      'license: "mit"',
      'base_model: "org/tiny"',
      "| 0 | neg |",
      "bag of words",
      "trust_remote_code=True",
      rows.content
    ]) {
      assert.include(card, text)
    }
    assert.notInclude(card, bench.folder)
    assert.notInclude(
      yield* Effect.map(exported(tuned("pooler")), ({ place }) => readFileSync(join(place, "README.md"), "utf8")),
      "trust_remote_code"
    )
  })
)

it.effect("what the base brought along in its config does not leak, nor bend how the weights are read", () =>
  Effect.gen(function* () {
    const source = onDisk((yield* exported(tuned("pooler"))).outcome.outputs["folder"]!)
    const spoilt = { ...config(source), _name_or_path: "/home/someone/models/secret", torch_dtype: "float16" }
    writeFileSync(join(source, "config.json"), JSON.stringify(spoilt))
    const again = yield* readBack(source)
    const { place } = yield* Effect.map(
      runStage(bench, exportStep, {
        inputs: { model: again.outputs["model"]!, tokenizer: again.outputs["tokenizer"]! }
      }),
      ({ outputs }) => ({ place: onDisk(outputs["folder"]!) })
    )
    const { _name_or_path, dtype, torch_dtype } = config(place)
    assert.deepStrictEqual([_name_or_path, torch_dtype, dtype], [undefined, undefined, "float32"])
  })
)

const failure = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => (error instanceof StageError ? error.code : String(error)))

it.effect("a base without a head and another model's tokenizer are refused", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* failure(exported(tinyModel(bench))), "no_head")
    // transformers: `problem_type="single_label_classification"` requires `num_labels > 1`.
    const ofOne = tinyModel(bench, { head: { pooling: "mean", labels: ["a"], dropout: 0 } })
    assert.strictEqual(yield* failure(exported(ofOne)), "one_label")
    const foreign = tinyModel(bench, { head: headOn("mean"), tokenizer: "f".repeat(64) })
    assert.strictEqual(yield* failure(exported(foreign)), "tokenizer_mismatch")
    const faults = exportStep.types({ params: {}, inputs: { model: { kind: "model", head: false } }, heads: {} }).faults
    assert.deepStrictEqual(faults[0]?.path, ["in", "model"])
  })
)

it("a file larger than a row holds is read back whole", async () => {
  const { writeFolder } = await import("./folder.ts")
  const folder = join(bench.folder, "large")
  mkdirSync(folder)
  const large = new Uint8Array((32 << 20) * 2 + 5).map((_, at) => at % 251)
  const output = writeFolder({ folder, file: "folder.arrow" }, [{ name: "large.bin", pieces: () => [large] }], {})
  const [file] = readFolder({ path: join(folder, output.file), blob: output.blob })
  const pieces = [...file!.pieces()]
  assert.strictEqual(pieces.length, 3)
  assert.isTrue(Buffer.concat(pieces).equals(large))
})
