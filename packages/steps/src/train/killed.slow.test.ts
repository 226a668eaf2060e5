import { fork } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeBench } from "../testing/context.ts"
import { tinyTraining } from "../testing/tinyTraining.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const child = fileURLToPath(new URL("../testing/trainUntilKilled.ts", import.meta.url))

/** Trains in a process of its own, and kills it some milliseconds after it told that it had done this many steps. */
const trainUntil = (checkpoints: string, step: number, milliseconds: number): Promise<string | null> =>
  new Promise((resolve) => {
    const training = fork(child, [checkpoints], { stdio: "ignore" })
    training.on("message", (done) => {
      if (done === step) setTimeout(() => training.kill("SIGKILL"), milliseconds)
    })
    training.on("exit", (_code, signal) => resolve(signal))
  })

it.effect("a training that is killed again and again ends with the bytes of one that was left alone", () =>
  Effect.gen(function* () {
    const checkpoints = join(bench.folder, "killed")
    const kills: ReadonlyArray<readonly [step: number, milliseconds: number]> = [
      [5, 0],
      [11, 1],
      [16, 2],
      [23, 3]
    ]
    for (const [step, milliseconds] of kills) {
      const signal = yield* Effect.promise(() => trainUntil(checkpoints, step, milliseconds))
      assert.strictEqual(signal, "SIGKILL")
    }
    assert.lengthOf(
      readdirSync(checkpoints).filter((name) => name.startsWith("step-")),
      1
    )
    const resumed = yield* tinyTraining(bench, checkpoints, () => {})
    assert.deepStrictEqual(readdirSync(checkpoints), ["step-000000032"])
    const straight = yield* tinyTraining(bench, undefined, () => {})
    assert.isAtLeast(Number(resumed.counts["resumed_at_step"]), 20)
    assert.strictEqual(resumed.outputs["model"]!.blob, straight.outputs["model"]!.blob)
    assert.strictEqual(resumed.outputs["history"]!.blob, straight.outputs["history"]!.blob)
  })
)
