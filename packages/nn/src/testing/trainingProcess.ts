// Trains a BERT of MiniLM's shape for some steps, and tells what it was predicted to take and by how much it grew.
// Usage: node trainingProcess.ts ROWS LENGTH FROZEN_BLOCKS DROPOUT [MASKED]; prints one line of JSON, in bytes. With MASKED tokens of a
// row to guess it is continued pre-training, else a classification.
import { readFileSync } from "node:fs"
import { memoryOf } from "../graph/memory.ts"
import { parseBertConfig } from "../models/bert/config.ts"
import { bertForMaskedLm } from "../models/bert/networks.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { trainingProgram } from "../network/training.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { fastestEngine, openForTest } from "./engines.ts"

/** Memory grows over the first few: TensorFlow keeps what it has prepared, and the allocator does not give back. */
const STEPS = 5

const [rows = 16, length = 64, frozen = 0, rate = 0, masked = 0] = process.argv.slice(2).map(Number)
const config = parseBertConfig({
  model_type: "bert",
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536,
  hidden_dropout_prob: rate,
  attention_probs_dropout_prob: rate
})

const trains = (fullName: string): boolean => {
  const name = fullName.replace(/^bert\./, "")
  const block = /^encoder\.layer\.(\d+)\./.exec(name)?.[1]
  return frozen === 0 || (block === undefined ? !name.startsWith("embeddings.") : Number(block) >= frozen)
}

const bytesOf = (field: "VmHWM" | "VmRSS"): number =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1])

const optimizer = { ...defaultAdamW, weight_decay: 0.01 }
const program =
  masked > 0
    ? trainingProgram({
        network: bertForMaskedLm(config, { at: "positions" }),
        trainable: trains,
        optimizer,
        max_grad_norm: 1
      })
    : classifierProgram({
        config,
        head: { pooling: "mean", labels: 2 },
        trainable: trains,
        dropout: { hidden: rate, attention: rate },
        optimizer,
        max_grad_norm: 1
      })
const engine = await openForTest(fastestEngine)
const before = bytesOf("VmRSS")
const session = await engine.open(program)
await session.write(initialWeights(config, program.parameters, 7))
await session.run("init_optimizer", {})
const shape = [rows, length]
const guesses = rows * masked
const asked =
  masked > 0
    ? {
        token_type_ids: { data: new Int32Array(rows * length), shape },
        // The first places of each row.
        positions: Int32Array.from({ length: guesses }, (_, at) => Math.floor(at / masked) * length + (at % masked)),
        labels: Int32Array.from({ length: guesses }, (_, at) => 1000 + at),
        count: guesses
      }
    : { labels: Int32Array.from({ length: rows }, (_, row) => row % 2), count: rows }
for (let step = 1; step <= STEPS; step++) {
  await session.run("train", {
    input_ids: { data: Int32Array.from({ length: rows * length }, (_, at) => 1000 + ((at * 7919) % 20000)), shape },
    attention_mask: { data: new Int32Array(rows * length).fill(1), shape },
    learning_rate: 2e-5,
    optimizer_step: step,
    seed: Int32Array.of(7, step),
    ...asked
  })
}
const grown = bytesOf("VmHWM") - before
console.log(
  JSON.stringify({ grown, predicted: memoryOf(program, "train", { batch: rows, length, masked: guesses }).total })
)
