import { join, relative, resolve } from "node:path"
import type { PipelineStep } from "@hone/core/Pipeline"
import { Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { FileToWrite } from "../../results/ModelFolder.ts"
import { occupied, writeModelFolder } from "../../results/ModelFolder.ts"
import { provenance } from "../../results/Provenance.ts"
import { artifactOf, inputOf } from "../../results/Upstream.ts"
import { blobPath } from "../../store/Folder.ts"
import * as Flags from "../Flags.ts"
import type { Loaded } from "../Load.ts"
import { loadPlan } from "../Load.ts"
import { bytes, paint, print, printJson, table } from "../Output.ts"
import { finishedStep, refuse, refusing } from "../StepResult.ts"

/** The files that an export step made. */
const filesOfExport = async ({ folder, planned }: Loaded, step: PipelineStep): Promise<ReadonlyArray<FileToWrite>> => {
  const { readFolder } = await import("@hone/steps/export/folder")
  return readFolder(inputOf(folder, artifactOf(planned, { step: step.name, output: "folder" })!))
}

/** The tokenizer whose digest the model names, wherever in the pipeline it was made. */
const tokenizerFor = ({ planned }: Loaded, wanted: unknown) =>
  planned.steps
    .flatMap(({ stages }) => stages.flatMap(({ record }) => record?.outputs["tokenizer"] ?? []))
    .find(({ content }) => content === wanted)

/** The files of a train step's model, made here and now as an export step without params would. */
const filesOfTraining = async (loaded: Loaded, step: PipelineStep): Promise<ReadonlyArray<FileToWrite> | undefined> => {
  const { folder, planned } = loaded
  const model = artifactOf(planned, { step: step.name, output: "model" })!
  const tokenizer = tokenizerFor(loaded, model.facts["tokenizer"])
  if (tokenizer === undefined) return undefined
  const rows = artifactOf(planned, step.inputs["train"])
  const { classifierFolder } = await import("@hone/steps/export/classifierFolder")
  const { ExportParams } = await import("@hone/steps/export/params")
  return classifierFolder({
    params: Schema.decodeUnknownSync(ExportParams)({}),
    model: inputOf(folder, model),
    tokenizer: inputOf(folder, tokenizer),
    train: rows === undefined ? undefined : inputOf(folder, rows),
    blobPath: (blob) => blobPath(folder, blob)
  }).files
}

const noTokenizer = {
  message: "the tokenizer of this model is not in the store",
  hint: "add an export step, and connect its `tokenizer` to the base step"
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The lines that load it; those of a mean-pooled model trust the file beside it. */
const pythonFor = (place: string, files: ReadonlyArray<FileToWrite>): ReadonlyArray<string> => {
  const remote = files.some(({ name }) => name === "modeling_hone.py") ? ", trust_remote_code=True" : ""
  const folder = JSON.stringify(place)
  return [
    "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
    `tokenizer = AutoTokenizer.from_pretrained(${folder})`,
    `model = AutoModelForSequenceClassification.from_pretrained(${folder}${remote})`
  ]
}

const displayed = (target: string): string => {
  const path = relative(process.cwd(), resolve(target))
  return path === "" || path.startsWith("..") ? resolve(target) : path
}

export const exportVerb = Command.make(
  "export",
  {
    file: Flags.file,
    step: Flags.step,
    set: Flags.set,
    json: Flags.json,
    to: Flag.String("to").pipe(
      Flag.withDescription("the folder to write (default: exported/STEP)"),
      Flag.withDefault("")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("replace a model folder that is there"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("hone export")(function* ({ file, force, json, set, step: name, to }) {
    const loaded = yield* loadPlan({ file, sets: set, json })
    const kinds = ["export", "train"]
    const step = yield* finishedStep(loaded, {
      file,
      step: name,
      kinds,
      why: "what can be exported is an export or a train step",
      json
    })
    const target = displayed(to === "" ? join("exported", name) : to)
    const taken = occupied(target, force)
    if (taken !== undefined) return yield* refuse(2, taken, json)
    const work = Effect.gen(function* () {
      const { attempt } = yield* Effect.promise(() => import("@hone/steps/attempt"))
      const files = yield* attempt(() =>
        step.definition.kind === "export" ? filesOfExport(loaded, step) : filesOfTraining(loaded, step)
      )
      if (files === undefined) return yield* refuse(1, noTokenizer, json)
      const behind = { name: "hone.json", pieces: () => [bytesOf(provenance(loaded.pipeline, loaded.planned, name))] }
      const written = yield* attempt(() => writeModelFolder(target, [...files, behind]))
      return { files, written }
    })
    const { files, written } = yield* refusing(json)(work)
    const python = pythonFor(target, files)
    if (json) return printJson({ folder: target, files: written, python })
    const total = written.reduce((sum, each) => sum + each.bytes, 0)
    print(`wrote ${paint("bold", target)}: ${written.length} files, ${bytes(total)}`)
    print(
      table(
        written.map((each) => [`  ${each.name}`, bytes(each.bytes)]),
        ["left", "right"]
      )
    )
    print(["", "load it with", ...python.map((line) => `  ${line}`)].join("\n"))
  })
).pipe(
  Command.withDescription(
    "Write the folder of an export step, or of a train step's model, for Hugging Face's transformers to load"
  )
)
