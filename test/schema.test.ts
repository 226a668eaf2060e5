import { readdirSync, readFileSync } from "node:fs"
import { PipelineFaults } from "@hone/core/Fault"
import { decodePipeline } from "@hone/core/file/Decode"
import { parseText } from "@hone/core/file/Document"
import { pipelineJsonSchema } from "@hone/core/file/JsonSchema"
import { registry } from "@hone/steps"
import { Ajv2020 } from "ajv/dist/2020.js"
import { describe, expect, it } from "vitest"

const root = new URL("../", import.meta.url)
const committed = JSON.parse(readFileSync(new URL("hone.schema.json", root), "utf8")) as object
const validate = new Ajv2020({ allErrors: true, strict: false }).compile(committed)

const shipped = readdirSync(new URL("pipelines/", root)).filter((name) => name.endsWith(".yaml"))
/** Those that are a sweep over another. */
const sweeps = shipped.filter((name) => /^pipeline:/mu.test(readFileSync(new URL(`pipelines/${name}`, root), "utf8")))
const read = (name: string) => readFileSync(new URL(`pipelines/${name}`, root), "utf8")
const sentiment = read("sentiment.yaml")

const parse = (text: string) => parseText("x.yaml", text).document!.value

/** What the command says of a file, sources aside. */
const isRight = (text: string) => !(decodePipeline({ file: "x.yaml", text }, registry) instanceof PipelineFaults)

describe("hone.schema.json", () => {
  it("is what `hone schema` prints", () => {
    expect(committed).toEqual(JSON.parse(JSON.stringify(pipelineJsonSchema(registry))))
  })

  it.each(shipped)("takes pipelines/%s, which names it for editors", (name) => {
    expect(validate(parse(read(name))), JSON.stringify(validate.errors)).toBe(true)
    expect(read(name)).toContain("yaml-language-server: $schema=../hone.schema.json")
  })

  it("refuses in a sweep what the command does", () => {
    expect(sweeps).toEqual(["sentiment-sweep.yaml"])
    const text = read("sentiment-sweep.yaml")
    for (const [from, to] of [
      ["choice:", "choise:"],
      ["max_trials: 12", "max_trials: many"],
      ["method: asha", "method: ash"],
      ["objective:", "objectiv:"]
    ] as const) {
      expect(text).toContain(from)
      expect([from, validate(parse(text.replace(from, to)))]).toEqual([from, false])
    }
  })

  const edits: ReadonlyArray<readonly [string, string, string]> = [
    ["a misspelt key", "seed: 7", "sede: 7"],
    ["a misspelt kind", "uses: ingest", "uses: ingset"],
    ["a misspelt param", 'learning_rate: "${params', 'learning_rat: "${params'],
    ["a misspelt port", "validation: parts.validation", "validaton: parts.validation"],
    ["a number out of range", "epochs: 2", "epochs: -2"],
    ["text for a number", "epochs: 2", "epochs: two"],
    ["a wrong word", "truncate: head_tail", "truncate: middle"],
    ["a nested misspelling", "last_blocks: 2", "last_block: 2"],
    ["a missing param", "with: { model: minilm-l6 }", "with: {}"],
    ["a seed that is no integer", "seed: 7", "seed: 7.5"]
  ]
  it.each(edits)("refuses %s, as the command does", (_, from, to) => {
    const text = sentiment.replace(from, to)
    expect(text).not.toBe(sentiment)
    expect([validate(parse(text)), isRight(text)]).toEqual([false, false])
  })

  const fine: ReadonlyArray<readonly [string, string, string]> = [
    ["another step's param", "epochs: 2", 'epochs: "${params.learning_rate}"'],
    ["a default written out", "epochs: 2", "epochs: 2, batch_size: 16"],
    ["a matrix", "tuned:     { uses: train,", "tuned:     { uses: train, matrix: { seed: [1, 2] },"],
    ["false for a map", "early_stopping: { patience: 1 }", "early_stopping: false"]
  ]
  it.each(fine)("takes %s, as the command does", (_, from, to) => {
    const text = sentiment.replace(from, to)
    expect(text).not.toBe(sentiment)
    expect([validate(parse(text)), isRight(text)]).toEqual([true, true])
  })
})
