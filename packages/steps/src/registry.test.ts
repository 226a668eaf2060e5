import { readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseText } from "@hone/core/file/Document"
import { paramInfos } from "@hone/core/Params"
import type { PipelineStep } from "@hone/core/Pipeline"
import { boundInputs } from "@hone/core/plan/StageInputs"
import { factsGiven, keyStage } from "@hone/core/plan/StageKey"
import type { OutputArtifact } from "@hone/core/Stage"
import type { Facts, Stage, Step } from "@hone/core/Step"
import { Schema } from "effect"
import { assert, describe, it } from "vitest"
import { registry } from "./registry.ts"

const here = dirname(fileURLToPath(import.meta.url))

/** The first YAML block of a README: one step under its name. */
const exampleOf = (kind: string) => {
  const readme = readFileSync(join(here, kind, "README.md"), "utf8")
  const block = /```yaml\n([^]*?)```/.exec(readme)?.[1]
  assert.isDefined(block, `${kind}/README.md has a YAML example`)
  const { document, faults } = parseText(`${kind}/README.md`, block!)
  assert.deepStrictEqual(faults, [])
  const [step] = Object.values(document!.value as Record<string, { uses: string; in?: object; with?: object }>)
  return step!
}

/** An artifact of one content that states these facts; each of its views has a digest of its own. */
const stating = (facts: Facts): OutputArtifact => ({
  file: "",
  blob: "b",
  content: "c",
  bytes: 1,
  facts,
  views: new Proxy({}, { get: (_, view) => `digest of ${String(view)}` }),
  links: []
})

const connected = (definition: Step): PipelineStep => ({
  name: "it",
  written: "it",
  definition,
  params: Schema.decodeUnknownSync(definition.params as Schema.Codec<unknown>)(exampleOf(definition.kind).with ?? {}),
  inputs: Object.fromEntries(Object.keys(definition.inputs).map((port) => [port, { step: port, output: port }])),
  sources: {},
  hidden: {}
})

/** What a stage is keyed by, and what its work is told of its inputs, where the input `altered` states these facts. */
const keyedAndTold = (step: PipelineStep, stage: Stage<any>, altered: string, facts: Facts) => {
  const bound = boundInputs(step, stage)
  const inputs = Object.fromEntries(bound.map(({ name }) => [name, stating(name === altered ? facts : stated)]))
  const { preimage } = keyStage({
    pipeline: {
      name: "",
      seed: 0,
      steps: [],
      file: "",
      texts: {},
      conceal: (said) => said,
      memory: null,
      place: () => ({}) as never
    },
    step,
    stage,
    inputs,
    sources: {},
    engine: { numerics: { class: "tensorflow-cpu" } } as never,
    implementation: () => "",
    seed: 0
  })
  const told = bound.map(({ input, name }) => {
    const of = inputs[name]!.facts as Facts
    return { name, facts: factsGiven(input, of), view: input.view?.(step.params, of) }
  })
  return { key: JSON.stringify(preimage), told: JSON.stringify(told) }
}

/** As artifacts state them. */
const stated: Facts = {
  blocks: 6,
  counts: { a: 1 },
  frozen_blocks: 4,
  head: "mean",
  hidden_size: 8,
  how: "probe",
  labels: ["a"],
  max_length: 128,
  model: "m",
  model_digest: "m",
  model_max_length: 512,
  pad_token_id: 0,
  rows: 10,
  strategy: "full",
  thresholds: null,
  tokenizer: "t",
  tokens: 100,
  vocabulary_size: 9
}

/** Enter a key as the digest of what they name. */
const asSources = ["base.model"]

describe.each(Object.keys(registry))("%s", (kind) => {
  const step = registry[kind]!

  it("describes every param", () => {
    for (const { description, name } of paramInfos(step.params)) assert.match(description, /\w{3}/, name)
  })

  it("has an example that its own Schema takes, with ports that it has", () => {
    const example = exampleOf(kind)
    assert.strictEqual(example.uses, kind)
    Schema.decodeUnknownSync(step.params as Schema.Codec<unknown>)(example.with ?? {}, {
      errors: "all",
      onExcessProperty: "error"
    })
    const ports = Object.keys(example.in ?? {})
    for (const port of ports) assert.property(step.inputs, port)
    for (const [port, { optional }] of Object.entries(step.inputs)) {
      if (optional !== true) assert.include(ports, port)
    }
  })

  it("has every semantic param in the key of one of its stages, and no operational one", () => {
    const params = Schema.decodeUnknownSync(step.params as Schema.Codec<Record<string, unknown>>)(
      exampleOf(kind).with ?? {}
    )
    const keyed = new Set(step.stages.flatMap((stage) => Object.keys(stage.params(params, {}))))
    for (const { name, role } of paramInfos(step.params)) {
      if (role === "operational") assert.isFalse(keyed.has(name), name)
      // Under another name, a value that the environment gave would stand in clear.
      assert.includeMembers(Object.keys(params), [...keyed])
      if (role === "semantic" && params[name] !== undefined && !asSources.includes(`${kind}.${name}`))
        assert.isTrue(keyed.has(name), name)
    }
  })

  it("tells the work of a stage nothing of its inputs that its key does not hold", () => {
    const connection = connected(step)
    for (const stage of step.stages) {
      for (const { input, name } of boundInputs(connection, stage)) {
        if (input.derived === true) continue
        const before = keyedAndTold(connection, stage, name, stated)
        for (const fact of Object.keys(stated)) {
          const after = keyedAndTold(connection, stage, name, { ...stated, [fact]: fact === "head" ? null : 2 })
          if (after.told !== before.told)
            assert.notStrictEqual(after.key, before.key, `${stage.name}: ${fact} of ${name}`)
        }
      }
    }
  })

  it("gives each of its outputs by one stage", () => {
    for (const output of Object.keys(step.outputs)) {
      assert.lengthOf(
        step.stages.filter(({ outputs }) => output in outputs),
        1,
        output
      )
    }
  })

  it("names for each stage the module that it loads: implementation digests are found by it", async () => {
    for (const { module, run } of step.stages) {
      const file = new URL(`./${module.replace(/^steps\//, "")}.ts`, import.meta.url).href
      const named = (await import(/* @vite-ignore */ file)) as { run?: unknown }
      const loaded = (await run()).run
      assert.isFunction(loaded)
      // A stage shared by several kinds makes its run from what the module exports.
      if (named.run !== undefined) assert.strictEqual(loaded, named.run)
    }
  })
})

it("planning loads neither Arrow, nor a tokenizer, nor an engine", () => {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, from] of readFileSync(file, "utf8").matchAll(
      /^(?:import|export)(?! type\b)(?:[^"']*? from)? "([^"]+)"/gm
    )) {
      if (from!.startsWith(".")) visit(resolve(dirname(file), from!))
      else packages.add(from!)
    }
  }
  visit(join(here, "registry.ts"))
  assert.isAbove(seen.size, Object.keys(registry).length)
  const allowed = [...packages].filter((name) => name === "effect" || name.startsWith("@hone/core/"))
  assert.deepStrictEqual(
    [...packages].filter((name) => !allowed.includes(name)),
    []
  )
})
