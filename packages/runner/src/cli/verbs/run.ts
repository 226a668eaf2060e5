import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import type { RunEvent } from "@hone/core/Contract"
import type { Plan, PlannedStep } from "@hone/core/plan/Plan"
import { plan } from "@hone/core/plan/Plan"
import type { RunRecord, StepOutcome } from "@hone/core/record/RunRecord"
import { Clock, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { runSteps } from "../../schedule/Run.ts"
import { profileName } from "../../schedule/StageRun.ts"
import { sweepScratch } from "../../store/Attempts.ts"
import { settleRecords } from "../../store/Commit.ts"
import { makeFolder } from "../../store/Folder.ts"
import { fileInHome, writeLastKeys, writeRun } from "../../store/Runs.ts"
import * as Workers from "../../worker/Workers.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import type { FileOptions, Loaded } from "../Load.ts"
import { loadPlan } from "../Load.ts"
import { print } from "../Output.ts"
import { bundleFolder } from "../Places.ts"
import { renderEnd, verdictOf } from "../Summary.ts"
import type { Screen } from "../live/Screen.ts"
import { openScreen } from "../live/Screen.ts"

const runId = (at: Date) =>
  `${at.toISOString().slice(0, 19).replace(/[-:]/gu, "").replace("T", "-")}-${randomBytes(2).toString("hex")}`

const cached = (step: PlannedStep): StepOutcome => ({
  name: step.name,
  kind: step.kind,
  outcome: "hit",
  reason: step.reason,
  seconds: 0,
  stages: step.stages.map(({ identity, key, name, reason, verdict }) => ({
    stage: name,
    identity,
    key,
    outcome: verdict === "hit" ? "hit" : "not_needed",
    reason,
    seconds: 0
  })),
  reads: {}
})

const lastKeysOf = (steps: ReadonlyArray<StepOutcome>) =>
  Object.fromEntries(
    steps.map((step) => [
      step.name,
      Object.fromEntries(
        step.stages.flatMap(({ key, outcome, stage }) =>
          key === null || outcome === "failed" ? [] : [[stage, key] as const]
        )
      )
    ])
  )

const isIdle = (plan: Plan) => plan.steps.every((step) => step.verdict === "hit")

/** Runs what the plan says, or nothing where all is cached; tells the screen, and leaves a run record whatever happens. */
const execute = Effect.fn("execute")(function* (
  loaded: Loaded,
  options: FileOptions & { readonly profiles: string | undefined },
  screen: Screen
) {
  const { folder, last, layer, pipeline, planned, prepared } = loaded
  const started = yield* Clock.currentTimeMillis
  const id = runId(new Date(started))
  const outcomes = new Map<string, StepOutcome>()
  const emit = (event: RunEvent) => screen.show(event)
  emit({
    event: "start",
    run: id,
    pipeline: pipeline.name,
    steps: planned.steps.map(({ kind, name, reason, verdict }) => ({ name, kind, verdict, reason }))
  })

  const remember = (ended: RunRecord["ended"], seconds: number) => {
    try {
      write(ended, seconds)
    } catch (error) {
      // The results are what counts: a full disk must not turn a finished run into a failed one.
      screen.note(`the run could not be remembered: ${(error as Error).message}`)
    }
  }
  const write = (ended: RunRecord["ended"], seconds: number) => {
    const ok = ended === "completed"
    const file = fileInHome(folder, options.file)
    writeRun(folder, {
      version: 1,
      id,
      pipeline: pipeline.name,
      file,
      sets: options.sets,
      started_at: new Date(started).toISOString(),
      seconds,
      ok,
      ended,
      steps: [...outcomes.values()]
    })
    writeLastKeys(folder, options.file, lastKeysOf([...outcomes.values()]))
  }
  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => (now - started) / 1000)

  /** A step that ran in an earlier pass has run, whatever a later one finds. */
  const ended = (step: StepOutcome) => {
    if (outcomes.get(step.name)?.outcome !== "ran") outcomes.set(step.name, step)
  }
  const pass = Effect.fnUntraced(function* (now: Plan, told: Set<string>) {
    const cores = availableParallelism()
    const { damaged } = yield* runSteps({
      prepared,
      planned: now,
      last,
      folder,
      cores,
      profiles: options.profiles,
      show: emit,
      told,
      ended
    })
    return damaged
  })

  if (isIdle(planned)) {
    settleRecords(folder)
    for (const step of planned.steps) {
      ended(cached(step))
      emit({ event: "step", name: step.name, outcome: "hit", reason: step.reason, seconds: 0, counts: {} })
    }
  } else {
    sweepScratch(folder)
    const told = new Set<string>()
    yield* Effect.gen(function* () {
      let now = planned
      // Each pass sets at least one damaged file aside, so this ends.
      while ((yield* pass(now, told)).size > 0) now = yield* plan(prepared, last)
    }).pipe(
      Effect.provide(Layer.merge(layer, Workers.layer(join(bundleFolder(), "worker.mjs")))),
      Effect.scoped,
      Effect.catchTag("EngineMissing", Effect.die), // loading the plan has met it already
      // A run that was waited for may have been killed.
      Effect.ensuring(Effect.sync(() => sweepScratch(folder))),
      Effect.onInterrupt(() =>
        Effect.map(elapsed, (seconds) => {
          remember("interrupted", seconds)
          emit({
            event: "end",
            ok: false,
            run: id,
            seconds,
            steps: Array.from(outcomes.values(), ({ name, outcome, seconds: took }) => ({
              name,
              outcome,
              seconds: took
            }))
          })
          screen.interrupted()
        })
      )
    )
  }
  const seconds = yield* elapsed
  const ordered = planned.steps.flatMap(({ name }) => outcomes.get(name) ?? [])
  const ok = ordered.every((step) => step.outcome !== "failed" && step.outcome !== "skipped")
  remember(ok ? "completed" : "failed", seconds)
  const verdict = verdictOf(folder, ordered)
  emit({
    event: "end",
    ok,
    run: id,
    seconds,
    ...(verdict === undefined ? {} : { verdict }),
    steps: ordered.map(({ name, outcome, seconds }) => ({ name, outcome, seconds }))
  })
  return { steps: ordered, ok, seconds, verdict, folder }
})

/** A sentence for each function that the stages which ran have profiled, and where to read more. */
const renderProfiles = (folder: string, steps: ReadonlyArray<StepOutcome>): string => {
  const lines = steps.flatMap((step) =>
    step.stages.flatMap(({ outcome, stage }) => {
      const name = profileName(folder, step.name, stage)
      if (outcome !== "ran" || !existsSync(`${name}.txt`)) return []
      const sentences = readFileSync(`${name}.txt`, "utf8")
        .split("\n")
        .filter((line) => / ms, \d+ operations/u.test(line))
      return [
        `${step.name} (${stage}): tables in ${name}.txt, timeline in ${name}.trace.json`,
        ...sentences.map((of) => `  ${of}`)
      ]
    })
  )
  if (lines.length > 0) return `\n${lines.join("\n")}`
  return "\nno profile: no stage that computes with tensors ran more than one batch (what is cached does not run)"
}

export const runVerb = Command.make(
  "run",
  {
    file: Flags.file,
    set: Flags.set,
    profile: Flag.String("profile").pipe(
      Flag.withDescription("a folder for what each operation of the stages that compute with tensors took"),
      Flag.optional
    ),
    json: Flags.json
  },
  Effect.fn("hone run")(function* ({ file, json, profile, set }) {
    const profiles = Option.isSome(profile) ? makeFolder(resolve(profile.value)) : undefined
    const options = { file, sets: set, json, profiles }
    const loaded = yield* loadPlan(options)
    const result = yield* Effect.acquireUseRelease(
      Effect.promise(() => openScreen(json, isIdle(loaded.planned))),
      (screen) => execute(loaded, options, screen),
      (screen) => Effect.sync(() => screen.close())
    )
    if (!json) print(renderEnd(result))
    if (!json && profiles !== undefined) print(renderProfiles(profiles, result.steps))
    if (!result.ok) return yield* new Exit({ code: 1 })
    if (result.verdict === "failed") return yield* new Exit({ code: 3 })
  })
).pipe(Command.withDescription("Run a pipeline: only what changed runs again"))
