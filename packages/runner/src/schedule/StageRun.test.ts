import type { PipelineStep } from "@hone/core/Pipeline"
import type { OutputArtifact } from "@hone/core/Stage"
import { registry } from "@hone/steps"
import { expect, it } from "vitest"
import { storeFolder } from "../store/Folder.ts"
import { requestFor } from "./StageRun.ts"

const artifact = (facts: Readonly<Record<string, unknown>>): OutputArtifact => ({
  file: "",
  blob: "b".repeat(64),
  content: "c",
  bytes: 1,
  facts,
  views: {},
  links: []
})

/** @param ports those of the step that are connected; `inputs` go by the stage's own names */
const asked = (
  kind: string,
  stageName: string,
  ports: ReadonlyArray<string>,
  inputs: Readonly<Record<string, OutputArtifact>>
) => {
  const definition = registry[kind]!
  const step: PipelineStep = {
    name: "it",
    written: "it",
    definition,
    params: {},
    inputs: Object.fromEntries(ports.map((port) => [port, { step: port, output: port }])),
    sources: {},
    hidden: {}
  }
  const pipeline = {
    name: "",
    seed: 0,
    steps: [step],
    file: "",
    texts: {},
    conceal: <A>(said: A) => said,
    memory: null,
    place: () => ({}) as never
  }
  const stage = definition.stages.find(({ name }) => name === stageName)!
  const preimage = { step: { kind, version: 1, implementation: "" }, params: {}, inputs: {} }
  return requestFor(
    { folder: storeFolder("/store"), prepared: { pipeline, sources: {}, types: {} } },
    step,
    stage,
    preimage,
    inputs,
    "/a"
  )
}

it("a worker is told the facts that the stage declares, and no others", () => {
  const train = artifact({ rows: 3, max_length: 64, tokenizer: "t", longest: 9 })
  const { inputs } = asked("export", "export", ["model", "train"], { model: artifact({ blocks: 2 }), train })
  expect([inputs["train"]!.facts, inputs["model"]!.facts]).toEqual([{ rows: 3, max_length: 64 }, {}])
})

it("a worker is told the part of an input that the stage's key holds", () => {
  const model = artifact({ strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2, blocks: 3 })
  const { inputs } = asked("train", "features_train", ["model", "train"], {
    model,
    rows: artifact({ rows: 3, tokenizer: "t" })
  })
  expect(inputs["model"]).toMatchObject({ facts: {}, view: "prefix/2" })
  expect(inputs["rows"]).toMatchObject({ facts: { tokenizer: "t" }, view: "inputs" })
})
