import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeBench, runStage } from "../testing/context.ts"
import { nativeEngine, testEngine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "../train/index.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const rows = tokensArtifact(bench, tinyRows(40))
const native = nativeEngine()

for (const engine of [testEngine, ...(native === undefined ? [] : [{ ...native, engine: "capi" as const }])]) {
  it.effect(
    `a training on ${engine.engine} with a profile gives the same model, and files that say what took its time`,
    () =>
      Effect.gen(function* () {
        const model = tinyModel(bench)
        const asked = { stage: "fit", inputs: { model, train: rows }, with: { epochs: 1, batch_size: 8 }, seed: 3 }
        const prefix = join(bench.folder, `profile-${engine.engine}`)
        const plain = yield* runStage(bench, train, { ...asked, engine })
        assert.isFalse(existsSync(`${prefix}.json`))
        const watched = yield* runStage(bench, train, { ...asked, engine: { ...engine, profile: prefix } })
        assert.strictEqual(watched.outputs["model"]!.content, plain.outputs["model"]!.content)
        const profiles = JSON.parse(readFileSync(`${prefix}.json`, "utf8")) as Array<{ function: string; busy: number }>
        assert.deepStrictEqual(
          profiles.map((profile) => [profile.function, profile.busy > 0]),
          [["train", true]]
        )
        assert.include(readFileSync(`${prefix}.txt`, "utf8"), "encoder.layer.")
        assert.include(readFileSync(`${prefix}.trace.json`, "utf8"), "traceEvents")
      })
  )
}
