import { describe, expect, it } from "vitest"
import type { Trace } from "../engines/trace.ts"
import { parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { chromeTrace } from "./chromeTrace.ts"
import { type Profile, profileOf, renderProfile } from "./summary.ts"

// Wide enough that TensorFlow's allocator counts: what is below 256 KiB goes past its books.
const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 40,
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 512,
  max_position_embeddings: 64
})
const program = classifierProgram({
  config,
  head: { pooling: "mean", labels: 2 },
  trainable: () => true,
  optimizer: defaultAdamW,
  max_grad_norm: 1
})
const [B, T] = [4, 64]
const feeds = {
  input_ids: { data: Int32Array.from({ length: B * T }, (_, i) => (i * 7) % 40), shape: [B, T] },
  attention_mask: { data: new Int32Array(B * T).fill(1), shape: [B, T] },
  labels: Int32Array.of(0, 1, 1, 0),
  count: B,
  learning_rate: 1e-3,
  optimizer_step: 1,
  seed: Int32Array.of(1, 1)
}
const names = (rows: Profile["layers"]) => rows.map(({ name }) => name)
const sum = (rows: Profile["layers"]) => rows.reduce((total, { backward, forward }) => total + forward + backward, 0)

describe.each([...nativeEngines.filter((name) => name === "capi"), "wasm" as const])(
  "a training step on %s",
  (engine) => {
    const traced = (async (): Promise<Trace> => {
      const session = await (await openForTest(engine)).open(program)
      await session.write(initialWeights(config, program.parameters, 1))
      await session.run("init_optimizer", {})
      const { trace } = await session.traced!("train", feeds)
      await session.close()
      return trace
    })()

    it("is added up by part, by operation and by kernel, each time to the whole", async () => {
      const profile = profileOf("train", await traced)
      for (const rows of [profile.scopes, profile.layers, profile.kernels])
        expect(sum(rows)).toBeCloseTo(profile.busy, 6)
      expect(names(profile.scopes)).toEqual(
        expect.arrayContaining(["embeddings", "encoder.layer.0", "encoder.layer.1", "head", "clip", "adamw"])
      )
      expect(names(profile.layers)).toEqual(
        expect.arrayContaining(["linear", "attention", "gelu", "layerNorm", "embedding", "maskedMean"])
      )
      const attention = profile.layers.find(({ name }) => name === "attention")!
      expect(attention.forward > 0 && attention.backward > 0).toBe(true)
      expect(profile.scopes.find(({ name }) => name === "adamw")!.backward).toBe(0)
      expect(renderProfile(profile)).toContain("milliseconds by part")
    })

    it("tells the memory where TensorFlow ran it", async () => {
      const { layers, peak } = profileOf("train", await traced)
      if (engine === "wasm") expect([peak, layers[0]!.allocated]).toEqual([null, null])
      else expect(peak!.bytes).toBeGreaterThan(4 * B * T * 512 * 2) // what two blocks keep of GELU, at the least
    })

    it("becomes a timeline in which nothing overlaps in its row", async () => {
      const trace = await traced
      const { traceEvents } = JSON.parse(chromeTrace(new Map([["train", trace]]))) as {
        traceEvents: Array<{ ph: string; tid: number; ts: number; dur: number }>
      }
      const runs = traceEvents.filter(({ ph }) => ph === "X")
      expect(runs).toHaveLength(trace.length)
      const ends = new Map<number, number>()
      for (const { dur, tid, ts } of runs) {
        expect(ts).toBeGreaterThanOrEqual((ends.get(tid) ?? 0) - 1e-3)
        ends.set(tid, ts + dur)
      }
    })
  }
)
