import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { decodePipeline } from "../file/Decode.ts"
import type { ActionRecord } from "../record/ActionRecord.ts"
import type { LastKeys } from "../Services.ts"
import { ActionRecords, Engine, Implementations, Sources } from "../Services.ts"
import type { OutputArtifact } from "../Stage.ts"
import { toyPipeline, toyRegistry } from "../testing/toySteps.ts"
import { keyOf, shelfOf } from "./Key.ts"
import type { Plan } from "./Plan.ts"
import { plan } from "./Plan.ts"
import { prepare } from "./Prepare.ts"

const artifact = (content: string): OutputArtifact => ({
  file: "x",
  blob: content,
  content,
  bytes: 1,
  facts: {},
  views: { inputs: `${content}-inputs` },
  links: []
})

interface World {
  readonly records: Map<string, ActionRecord>
  last: LastKeys
  source: string
  code: Record<string, string>
}

const world = (): World => ({ records: new Map(), last: {}, source: "bytes-1", code: {} })

const services = (w: World) =>
  Layer.mergeAll(
    Layer.succeed(ActionRecords, {
      lookup: (key) => Effect.sync(() => Option.fromNullishOr(w.records.get(key))),
      recall: (key) => Effect.sync(() => Option.fromNullishOr(w.records.get(key))),
      shelf: (preimage) =>
        Effect.sync(() => [...w.records.values()].filter((r) => shelfOf(r.preimage) === shelfOf(preimage))),
      ofKind: (kind) => Effect.sync(() => [...w.records.values()].filter((r) => r.preimage.step.kind === kind))
    }),
    Layer.succeed(Sources, {
      resolve: () => Effect.succeed({ path: "/data.csv", digest: w.source, head: { columns: ["text", "label"] } })
    }),
    Layer.succeed(Implementations, {
      digest: (module, parts) => w.code[module] ?? `code of ${[module, ...parts].join()}`
    }),
    Layer.succeed(Engine, {
      engine: "session",
      version: "2",
      library: null,
      addon: null,
      numerics: { class: "tensorflow-cpu", version: "2", dtype: "float32" },
      device: "cpu",
      threads: 1
    })
  )

const planned = (w: World, text: string, sets: ReadonlyArray<string> = []): Effect.Effect<Plan> =>
  Effect.gen(function* () {
    const pipeline = decodePipeline({ file: "toy.yaml", text, sets }, toyRegistry)
    if (!("steps" in pipeline)) throw pipeline
    return yield* plan(yield* prepare(pipeline), w.last)
  }).pipe(Effect.provide(services(w)), Effect.orDie)

/** Does what a run would: makes what the plan calls for until nothing is left, each result named by what it was made from. */
const runAll = (
  w: World,
  text: string,
  sets: ReadonlyArray<string> = [],
  contentOf = (key: string, output: string) => `${output} of ${key.slice(0, 8)}`
) =>
  Effect.gen(function* () {
    const ran: Array<string> = []
    for (let guard = 0; guard < 20; guard++) {
      const now = yield* planned(w, text, sets)
      const next = now.steps
        .flatMap((step) => step.stages.map((stage) => ({ step, stage })))
        .find(({ stage }) => stage.key !== null && stage.verdict === "run")
      w.last = Object.fromEntries(
        now.steps.map((step) => [
          step.name,
          Object.fromEntries(step.stages.flatMap((stage) => (stage.key === null ? [] : [[stage.name, stage.key]])))
        ])
      )
      if (next === undefined) return ran
      const { stage, step } = next
      const key = keyOf(stage.preimage)
      const outputs = toyRegistry[step.kind]!.stages.find(({ name }) => name === stage.name)!.outputs
      w.records.set(key, {
        version: 1,
        key,
        preimage: stage.preimage,
        outputs: Object.fromEntries(Object.keys(outputs).map((output) => [output, artifact(contentOf(key, output))])),
        counts: {},
        warnings: [],
        seconds: 1,
        finished_at: "2026-01-01T00:00:00.000Z",
        host: { node: "", platform: "", cores: 1, engine: "" },
        log: []
      })
      ran.push(`${step.name}/${stage.name}`)
    }
    throw new Error("the plan never comes to rest")
  })

const everything = ["rows/read", "parts/halve", "fitted/features", "fitted/fit", "scored/score"]
const verdicts = (p: Plan) => Object.fromEntries(p.steps.map((step) => [step.name, step.verdict]))

describe("plan", () => {
  it.effect("runs everything once, then nothing", () =>
    Effect.gen(function* () {
      const w = world()
      assert.deepStrictEqual(verdicts(yield* planned(w, toyPipeline)), {
        rows: "run",
        parts: "run",
        fitted: "run",
        scored: "run"
      })
      assert.deepStrictEqual(yield* runAll(w, toyPipeline), everything)
      assert.deepStrictEqual(verdicts(yield* planned(w, toyPipeline)), {
        rows: "hit",
        parts: "hit",
        fitted: "hit",
        scored: "hit"
      })
    })
  )

  it.effect(
    "comments, key order, number spelling, written-out defaults, names and operational params run nothing",
    () =>
      Effect.gen(function* () {
        const w = world()
        yield* runAll(w, toyPipeline)
        const other = `# a comment
steps:
  scored: { in: { rows: halves.right, model: tuned }, uses: score, with: { metrics: [accuracy] } }
  tuned: { uses: fit, with: { rate: 1e-2, mode: head }, in: { train: halves.left } }
  halves: { uses: halve, with: { workers: 8, share: 5e-1 }, in: { rows: lines.rows } }
  lines: { uses: read, with: { source: moved/elsewhere.csv, label: label } }
seed: 3
name: another name
`
        assert.deepStrictEqual(yield* runAll(w, other), [])
      })
  )

  it.effect("a changed param runs its step and what follows, and the reason names old and new", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      const after = yield* planned(w, toyPipeline, ["params.rate=0.02"])
      assert.deepStrictEqual(verdicts(after), { rows: "hit", parts: "hit", fitted: "run", scored: "maybe" })
      assert.strictEqual(after.steps.find(({ name }) => name === "fitted")!.reason, "rate: 0.01 -> 0.02")
      assert.deepStrictEqual(yield* runAll(w, toyPipeline, ["params.rate=0.02"]), ["fitted/fit", "scored/score"])
    })
  )

  it.effect("an upstream step that makes the same content again cuts off everything after it", () =>
    Effect.gen(function* () {
      const w = world()
      const sameRows = (key: string, output: string) =>
        output === "rows" ? "the same rows" : `${output} of ${key.slice(0, 8)}`
      yield* runAll(w, toyPipeline, [], sameRows)
      w.source = "bytes-2"
      const before = yield* planned(w, toyPipeline)
      assert.deepStrictEqual(verdicts(before), { rows: "run", parts: "maybe", fitted: "maybe", scored: "maybe" })
      assert.strictEqual(before.steps[0]!.reason, "the bytes of source changed")
      assert.deepStrictEqual(yield* runAll(w, toyPipeline, [], sameRows), ["rows/read"])
    })
  )

  it.effect("an intermediate is not asked for when what reads it is cached", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      for (const [key, record] of w.records) if (record.preimage.step.kind === "features") w.records.delete(key)
      const fitted = (yield* planned(w, toyPipeline)).steps.find(({ name }) => name === "fitted")!
      assert.strictEqual(fitted.verdict, "hit")
      assert.strictEqual(fitted.stages[0]!.verdict, "not_needed")
    })
  )

  it.effect("a stage that does not apply is absent, with the reason", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      const fitted = (yield* planned(w, toyPipeline, ["fitted.mode=full"])).steps.find(({ name }) => name === "fitted")!
      assert.deepStrictEqual([fitted.stages[0]!.verdict, fitted.stages[0]!.reason], ["absent", "nothing is frozen"])
    })
  )

  it.effect("an intermediate hangs on the view of its input alone", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      const features = [...w.records.values()].find(({ preimage }) => preimage.step.kind === "features")!
      assert.isTrue(features.preimage.inputs["train"]!.endsWith("-inputs"))
    })
  )

  it.effect("changed code of a step runs it, and the reason says so", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      w.code["toy/score"] = "edited"
      const after = yield* planned(w, toyPipeline)
      assert.deepStrictEqual(verdicts(after), { rows: "hit", parts: "hit", fitted: "hit", scored: "run" })
      assert.strictEqual(after.steps.at(-1)!.reason, "its code changed")
    })
  )

  it.effect("swapping two inputs is another key", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      const swapped = toyPipeline
        .replace("train: parts.left", "train: parts.right")
        .replace("rows: parts.right", "rows: parts.left")
      assert.deepStrictEqual(verdicts(yield* planned(w, swapped)), {
        rows: "hit",
        parts: "hit",
        fitted: "run",
        scored: "run"
      })
    })
  )

  it.effect("the root seed reaches the steps that draw, and no others", () =>
    Effect.gen(function* () {
      const w = world()
      yield* runAll(w, toyPipeline)
      const after = yield* planned(w, toyPipeline, ["seed=4"])
      assert.strictEqual(after.steps[0]!.verdict, "hit")
      assert.match(after.steps[1]!.reason, /^seed: \d+ -> \d+$/)
    })
  )

  it.effect(
    "plans ten thousand steps in time that grows with their number",
    () =>
      Effect.gen(function* () {
        const chain = (n: number) =>
          [
            "name: chain",
            "steps:",
            "  s0: { uses: read, with: { source: data.csv } }",
            ...Array.from(
              { length: n },
              (_, i) => `  s${i + 1}: { uses: halve, in: { rows: ${i === 0 ? "s0" : `s${i}.left`} } }`
            )
          ].join("\n")
        const work = (n: number) =>
          Effect.gen(function* () {
            const w = world()
            const before = process.cpuUsage()
            const { steps } = yield* planned(w, chain(n))
            assert.strictEqual(steps.length, n + 1)
            const { system, user } = process.cpuUsage(before)
            return user + system
          })
        yield* work(200)
        const small = yield* work(1000)
        const large = yield* work(10_000)
        // Quadratic growth would be a hundredfold; tenfold is linear, and the machine is shared.
        assert.isBelow(large / small, 40)
      }),
    60_000
  )
})
