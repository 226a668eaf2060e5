import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { classifierProgram, costsOf, defaultAdamW, openEngine, openSafetensors, parseBertConfig } from "@hone/nn"
import { profileOf, renderProfile } from "@hone/nn/profile/summary"
import { heading, load } from "../machine.ts"
import { least, median } from "../statistics.ts"
import { minilmCases } from "../step/cases.ts"
import { configOf, makeBatch, writeWeights } from "../step/inputs.ts"
import { LABELS } from "../step/models.ts"

/** Fewer rows than the other engines take: a step of sixteen is five seconds here. */
const ROWS = 4
const STEPS = 4

/** `wasm`: where the time of a MiniLM training step (4 x 64) goes on the interpreter, by operation and by part of the model. */
export const run = async (): Promise<void> => {
  const wanted = { ...minilmCases[0]!, rows: ROWS }
  console.log(`${heading()}, engine wasm, one thread`)
  const program = classifierProgram({
    config: parseBertConfig(configOf(wanted)),
    head: { pooling: "mean", labels: LABELS },
    trainable: () => true,
    optimizer: { ...defaultAdamW, weight_decay: wanted.weight_decay },
    max_grad_norm: wanted.max_grad_norm
  })
  const session = await (await openEngine({ engine: "wasm" })).open(program)
  const folder = mkdtempSync(join(tmpdir(), "hone-bench-"))
  try {
    const path = join(folder, "minilm.safetensors")
    await writeWeights(path, wanted)
    await using file = await openSafetensors(path)
    const weights = new Map<string, Float32Array>()
    for (const { name } of program.parameters) weights.set(name, await file.read(name))
    await session.write(weights)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  await session.run("init_optimizer", {})
  const { inputs, labels } = makeBatch(wanted)
  const feedsAt = (optimizer_step: number) => ({
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, { data, shape }]) => [name, { data: Int32Array.from(data), shape }])
    ),
    labels: Int32Array.from(labels.data),
    count: ROWS,
    learning_rate: wanted.learning_rate,
    optimizer_step
  })
  const ms: Array<number> = []
  for (let step = 1; step <= STEPS; step++) {
    const start = performance.now()
    await session.run("train", feedsAt(step))
    ms.push(performance.now() - start)
  }
  const { flops } = costsOf(program, "train", { batch: ROWS, length: wanted.length })
  const tokens = ROWS * wanted.length
  const perSecond = (amount: number) => (1000 * amount) / least(ms)
  console.log(
    `train ${ROWS}x${wanted.length}: ${least(ms).toFixed(0)} / ${median(ms).toFixed(0)} ms (least / median of ${STEPS}), ` +
      `${perSecond(tokens).toFixed(0)} tokens and ${(perSecond(flops) / 1e9).toFixed(1)} GFLOP a second at best (target 180 tokens)`
  )
  const { trace } = await session.traced!("train", feedsAt(STEPS + 1))
  console.log(renderProfile(profileOf("train", trace)))
  await session.close()
  console.log(`load at the end ${load().toFixed(2)}`)
}
