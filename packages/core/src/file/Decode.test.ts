import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { PipelineFaults } from "../Fault.ts"
import { prepare } from "../plan/Prepare.ts"
import { Sources } from "../Services.ts"
import { toyPipeline, toyRegistry } from "../testing/toySteps.ts"
import { decodePipeline } from "./Decode.ts"

const golden = new URL("golden/", import.meta.url)

const sources = Layer.succeed(Sources, {
  resolve: (request) =>
    request.spec.includes("missing")
      ? Effect.fail({
          message: `there is no \`${request.spec}\``,
          hint: "relative paths count from the pipeline's folder"
        })
      : Effect.succeed({ path: "/data.csv", digest: "d", head: { columns: ["text", "label"] } })
})

const messageOf = (file: string, text: string, sets: ReadonlyArray<string> = []): Effect.Effect<string> =>
  Effect.gen(function* () {
    const pipeline = decodePipeline({ file, text, sets }, toyRegistry)
    if (pipeline instanceof PipelineFaults) return pipeline.message
    return yield* prepare(pipeline).pipe(
      Effect.as("no fault"),
      Effect.catchTag("PipelineFaults", (error) => Effect.succeed(error.message)),
      Effect.provide(sources)
    )
  })

// Each case is a pipeline and the whole text that a person gets for it.
describe("faults of a pipeline file", () => {
  for (const name of readdirSync(golden).filter((file) => file.endsWith(".yaml"))) {
    it.effect(name.replace(".yaml", "").replaceAll("-", " "), () =>
      Effect.gen(function* () {
        const text = readFileSync(new URL(name, golden), "utf8")
        const expected = readFileSync(new URL(name.replace(".yaml", ".txt"), golden), "utf8")
        assert.strictEqual(`${yield* messageOf(name, text)}\n`, expected)
      })
    )
  }

  it.effect("a --set of a wrong type is placed at the --set", () =>
    Effect.gen(function* () {
      assert.match(
        yield* messageOf("toy.yaml", toyPipeline, ["fitted.rate=fast"]),
        /^--set fitted\.rate=fast:1:1: `rate` must be a number, and is "fast"/
      )
      assert.match(
        yield* messageOf("toy.yaml", toyPipeline, ["params.rat=1"]),
        /there is no param `rat`\n {2}did you mean `rate`\?/
      )
      assert.match(
        yield* messageOf("toy.yaml", toyPipeline, ["fited.rate=1"]),
        /there is no step `fited`\n {2}did you mean `fitted`\?/
      )
    })
  )

  it("a --set is read as YAML reads it: 1e-4 is a number", () => {
    const pipeline = decodePipeline({ file: "toy.yaml", text: toyPipeline, sets: ["params.rate=1e-4"] }, toyRegistry)
    if (pipeline instanceof PipelineFaults) throw pipeline
    assert.strictEqual(pipeline.steps.find(({ name }) => name === "fitted")!.params.rate, 0.0001)
  })

  it("a hundred faults are told up to fifty, and counted", () => {
    const steps = Array.from({ length: 100 }, (_, i) => `  s${i}: { uses: raed }`).join("\n")
    const faults = decodePipeline({ file: "many.yaml", text: `name: many\nsteps:\n${steps}\n` }, toyRegistry)
    assert.instanceOf(faults, PipelineFaults)
    assert.match((faults as PipelineFaults).message, /\.\.\. and 50 more\n\n100 faults; nothing ran$/)
  })
})
