// Run as a process of its own: ENGINE LENGTHS STEPS, with LENGTHS `fixed` or `varying`. Prints resident bytes after every 100 steps.
import { parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import type { EngineName } from "../engines/Engine.ts"
import { openForTest } from "./engines.ts"

const [engine, lengths, steps] = process.argv.slice(2) as [EngineName, "fixed" | "varying", string]
const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 50,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 64
})
const program = classifierProgram({
  config,
  head: { pooling: "mean", labels: 2 },
  trainable: () => true,
  dropout: { hidden: 0.1, attention: 0.1 },
  optimizer: defaultAdamW,
  max_grad_norm: 1
})
const session = await (await openForTest(engine)).open(program)
await session.write(initialWeights(config, program.parameters, 1))
await session.run("init_optimizer", {})

const B = 4
const resident: Array<number> = []
for (let step = 1; step <= Number(steps); step++) {
  const T = lengths === "fixed" ? 16 : 8 * (1 + (step % 8))
  await session.run("train", {
    input_ids: { data: Int32Array.from({ length: B * T }, (_, i) => (i * 7 + step) % 50), shape: [B, T] },
    attention_mask: { data: new Int32Array(B * T).fill(1), shape: [B, T] },
    labels: Int32Array.of(0, 1, 1, 0),
    count: B,
    learning_rate: 1e-4,
    optimizer_step: step,
    seed: Int32Array.of(1, step)
  })
  if (step % 100 !== 0) continue
  globalThis.gc!()
  resident.push(process.memoryUsage.rss())
}
await session.close()
console.log(JSON.stringify(resident))
