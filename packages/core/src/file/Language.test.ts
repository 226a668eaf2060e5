import { assert, describe, it } from "@effect/vitest"
import { PipelineFaults } from "../Fault.ts"
import type { Pipeline } from "../Pipeline.ts"
import { toyRegistry } from "../testing/toySteps.ts"
import type { PipelineText } from "./Decode.ts"
import { decodePipeline } from "./Decode.ts"

const files: Record<string, string> = {
  "shared/data.yaml":
    "params: { share: 0.25, rate: 0.5 }\nsteps:\n  rows: { uses: read, with: { source: data.csv } }\n",
  "round.yaml": "include: main.yaml\n",
  "broken.yaml": "steps:\n  rows: { uses: raed, with: { source: data.csv } }\nseed: 3\n"
}

const readInclude: PipelineText["readInclude"] = (spec) =>
  files[spec] === undefined ? { problem: "there is no such file" } : { file: spec, text: files[spec] }

const decode = (text: string, more: Partial<PipelineText> = {}) =>
  decodePipeline({ file: "main.yaml", text, readInclude, ...more }, toyRegistry)

const good = (text: string, more: Partial<PipelineText> = {}): Pipeline => {
  const result = decode(text, more)
  if (result instanceof PipelineFaults) throw result
  return result
}

const message = (text: string, more: Partial<PipelineText> = {}): string => {
  const result = decode(text, more)
  return result instanceof PipelineFaults ? result.message : "no fault"
}

const step = (pipeline: Pipeline, name: string) => pipeline.steps.find((candidate) => candidate.name === name)!

describe("include", () => {
  it("gives steps and params; a param of the including file goes before", () => {
    const pipeline = good(
      'name: x\ninclude: shared/data.yaml\nparams: { rate: 0.1 }\nsteps:\n  parts: { uses: halve, in: { rows: rows }, with: { share: "${params.share}" } }\n  f: { uses: fit, in: { train: parts.left }, with: { rate: "${params.rate}" } }\n'
    )
    assert.deepStrictEqual(
      pipeline.steps.map(({ name }) => name),
      ["rows", "parts", "f"]
    )
    assert.deepStrictEqual([step(pipeline, "parts").params.share, step(pipeline, "f").params.rate], [0.25, 0.1])
  })

  it("places a fault in the file where it stands", () => {
    const text = message("name: x\ninclude: [broken.yaml, nowhere.yaml]\nsteps: {}\n")
    assert.include(
      text,
      "broken.yaml:2:17: no step kind `raed`\n  2 |   rows: { uses: raed, with: { source: data.csv } }"
    )
    assert.include(text, "broken.yaml:3:1: `seed` has no meaning in an included file")
    assert.include(text, "main.yaml:2:24: `nowhere.yaml` cannot be included: there is no such file")
  })

  it("refuses two steps of one name, and files that include each other", () => {
    assert.include(
      message("name: x\ninclude: shared/data.yaml\nsteps:\n  rows: { uses: read, with: { source: a.csv } }\n"),
      "two steps are called `rows`"
    )
    files["main.yaml"] = "name: x\ninclude: round.yaml\nsteps: {}\n"
    assert.include(
      message(files["main.yaml"]),
      "the files include each other in a circle: main.yaml -> round.yaml -> main.yaml"
    )
  })
})

const matrix = `name: x
steps:
  rows: { uses: read, with: { source: data.csv } }
  parts: { uses: halve, in: { rows: rows } }
  tuned: { uses: fit, matrix: { lr: [1e-4, 0.5] }, in: { train: parts.left }, with: { rate: "\${matrix.lr}" } }
  after: { uses: score, in: { model: tuned, rows: parts.right } }
`

describe("matrix", () => {
  it("makes an instance for each value, and the steps that consume one follow along the axis", () => {
    const pipeline = good(matrix)
    assert.deepStrictEqual(
      pipeline.steps.map(({ name }) => name),
      ["rows", "parts", "tuned@lr=0.0001", "tuned@lr=0.5", "after@lr=0.0001", "after@lr=0.5"]
    )
    assert.strictEqual(step(pipeline, "tuned@lr=0.5").params.rate, 0.5)
    assert.deepStrictEqual(step(pipeline, "after@lr=0.5").inputs["model"], { step: "tuned@lr=0.5", output: "model" })
    assert.deepStrictEqual(step(pipeline, "after@lr=0.5").inputs["rows"], { step: "parts", output: "right" })
  })

  it("combines axes of two steps, joins a shared one, and takes a list of combinations as it stands", () => {
    const two = good(matrix.replace("after: { uses", "after: { matrix: { k: [1, 2] }, uses"))
    assert.deepStrictEqual(
      two.steps.filter(({ written }) => written === "after").map(({ name }) => name),
      ["after@k=1,lr=0.0001", "after@k=1,lr=0.5", "after@k=2,lr=0.0001", "after@k=2,lr=0.5"]
    )
    const shared = good(matrix.replace("after: { uses", "after: { matrix: { lr: [0.5, 0.7] }, uses"))
    assert.deepStrictEqual(
      shared.steps.filter(({ written }) => written === "after").map(({ name }) => name),
      ["after@lr=0.5"]
    )
    const list = good(
      matrix.replace("matrix: { lr: [1e-4, 0.5] }", "matrix: [{ lr: 0.1, seed: 1 }, { lr: 0.2, seed: 2 }]")
    )
    assert.deepStrictEqual(
      list.steps.filter(({ written }) => written === "tuned").map(({ name }) => name),
      ["tuned@lr=0.1,seed=1", "tuned@lr=0.2,seed=2"]
    )
  })

  it("lets a port gather all instances, and an input name one of them", () => {
    const registry = {
      ...toyRegistry,
      score: {
        ...toyRegistry["score"]!,
        inputs: {
          ...toyRegistry["score"]!.inputs,
          model: { accepts: ["model" as const], description: "all of them", gather: true }
        }
      }
    }
    const gathered = decodePipeline({ file: "main.yaml", text: matrix }, registry)
    if (gathered instanceof PipelineFaults) throw gathered
    assert.deepStrictEqual(step(gathered, "after").inputs, {
      "model@lr=0.0001": { step: "tuned@lr=0.0001", output: "model" },
      "model@lr=0.5": { step: "tuned@lr=0.5", output: "model" },
      rows: { step: "parts", output: "right" }
    })
  })

  it("says what is wrong with a matrix", () => {
    const text = message(matrix.replace("{ lr: [1e-4, 0.5] }", "{ lr: 1e-4 }"))
    assert.include(text, "main.yaml:5:37: axis `lr` needs a list of values")
    assert.include(message(matrix.replace("matrix.lr", "matrix.rl")), "${matrix.rl}: there is no matrix.rl\n  5 |")
    assert.include(
      message(matrix.replace("after: { uses", "after: { matrix: { lr: [3] }, uses")),
      "no combination is left"
    )
  })

  it("tells a fault that all instances share once", () => {
    assert.match(message(matrix.replace("rate: ", "rat: ")), /unknown param `rat`[^]*1 fault; nothing ran/)
  })
})

describe("references", () => {
  it("${steps.NAME.with.PARAM} is what the other step was given, or its default", () => {
    const pipeline = good(
      'name: x\nparams: { s: 0.3 }\nsteps:\n  rows: { uses: read, with: { source: a } }\n  a: { uses: halve, in: { rows: rows }, with: { share: "${params.s}" } }\n  b: { uses: halve, in: { rows: rows }, with: { share: "${steps.a.with.share}" } }\n  f: { uses: fit, in: { train: b.left }, with: { rate: "${steps.g.with.rate}" } }\n  g: { uses: fit, in: { train: b.left } }\n'
    )
    assert.deepStrictEqual([step(pipeline, "b").params.share, step(pipeline, "f").params.rate], [0.3, 0.001])
  })

  it("names the circle of params that name themselves, and what does not exist", () => {
    const circle = message(
      'name: x\nsteps:\n  rows: { uses: read, with: { source: a } }\n  a: { uses: halve, in: { rows: rows }, with: { share: "${steps.b.with.share}" } }\n  b: { uses: halve, in: { rows: rows }, with: { share: "${steps.a.with.share}" } }\n'
    )
    assert.include(circle, "it names itself: b.with.share -> a.with.share -> b.with.share")
    assert.include(
      message('name: x\nsteps:\n  rows: { uses: read, with: { source: "${steps.rwos.with.source}" } }\n'),
      "no step is called `rwos`\n  3 |"
    )
  })

  it("${env.NAME} is taken if declared, typed as YAML types it, and missed where it is declared", () => {
    const text =
      'name: x\nenv: { SHARE: 0.2, WHERE: null }\nsteps:\n  rows: { uses: read, with: { source: "${env.WHERE}" } }\n  a: { uses: halve, in: { rows: rows }, with: { share: "${env.SHARE}" } }\n'
    const pipeline = good(text, { env: { WHERE: "data.csv", SHARE: "4e-1" } })
    assert.deepStrictEqual([step(pipeline, "rows").params.source, step(pipeline, "a").params.share], ["data.csv", 0.4])
    assert.strictEqual(step(good(text, { env: { WHERE: "data.csv" } }), "a").params.share, 0.2)
    assert.include(message(text), "main.yaml:2:27: the environment variable `WHERE` is not set")
    assert.include(message(text.replace("env: { SHARE: 0.2, WHERE: null }\n", "")), "${env.WHERE} names nothing")
  })

  it("merge keys bring in what the anchor holds", () => {
    const pipeline = good(
      "name: x\nparams: { shared: &shared { share: 0.1, workers: 2 } }\nsteps:\n  rows: { uses: read, with: { source: a } }\n  a: { uses: halve, in: { rows: rows }, with: { <<: *shared, share: 0.7 } }\n"
    )
    assert.deepStrictEqual(step(pipeline, "a").params, { share: 0.7, workers: 2 })
  })
})
