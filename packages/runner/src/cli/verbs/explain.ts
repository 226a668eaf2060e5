import type { Change } from "@hone/core/plan/Changes"
import { describeChange, describeChanges } from "@hone/core/plan/Changes"
import type { Plan, PlannedStage, PlannedStep } from "@hone/core/plan/Plan"
import type { RunRecord } from "@hone/core/record/RunRecord"
import { Clock, Effect } from "effect"
import { Command } from "effect/cli"
import { driftsOf } from "../../store/Scan.ts"
import { fileInHome, readRuns } from "../../store/Runs.ts"
import * as Flags from "../Flags.ts"
import { historyOf, type StageHistory, tellNearest } from "../History.ts"
import { loadPlan, unknownStep } from "../Load.ts"
import { paint, print, printJson } from "../Output.ts"

/** A step that a change reaches, and why: the chain ends at the step whose own fields changed. */
export interface Cause {
  readonly step: string
  readonly stage: string
  readonly changes: ReadonlyArray<Change>
  readonly waits_for: ReadonlyArray<string>
}

const own = (stage: PlannedStage) => stage.verdict === "run" || stage.verdict === "maybe"

/** Follows inputs that are not known yet upstream, each step once, to where a field of its own changed. */
export const causesOf = (plan: Plan, name: string): ReadonlyArray<Cause> => {
  const causes: Array<Cause> = []
  const seen = new Set<string>()
  const visit = (step: PlannedStep | undefined): void => {
    if (step === undefined || seen.has(step.name)) return
    seen.add(step.name)
    for (const stage of step.stages.filter(own)) {
      const upstream = [...new Set(Object.values(stage.waits))].filter((id) => !id.startsWith(`${step.name}/`))
      causes.push({ step: step.name, stage: stage.name, changes: stage.changes, waits_for: upstream })
      for (const id of upstream) visit(plan.steps.find((candidate) => candidate.name === id))
    }
  }
  visit(plan.steps.find((step) => step.name === name))
  return causes
}

const stageTitle = (step: string, stage: string, kind: string) => (stage === kind ? step : `${step} (${stage})`)

/** What is known of a step beside its plan. */
interface Known {
  readonly history: ReadonlyArray<StageHistory>
  /** Results that came out otherwise under the same key: by stage. */
  readonly drifts: Readonly<Record<string, ReadonlyArray<string>>>
  /** The last run in which the step ran, and the last in which it failed, if that is later. */
  readonly ran: RunRecord | undefined
  readonly failed: RunRecord | undefined
  readonly now: number
}

const reasonIn = (run: RunRecord, name: string): string => run.steps.find((step) => step.name === name)?.reason ?? ""

const render = (plan: Plan, step: PlannedStep, { drifts, failed, history, now, ran }: Known): string => {
  const out = [`${paint("bold", step.name)} (${step.kind}): ${step.verdict}`]
  for (const stage of step.stages) {
    const title = step.stages.length > 1 ? `  ${stage.name}: ${stage.verdict.replace("_", " ")}: ` : "  "
    out.push(`${title}${stage.reason}`)
    if (stage.key !== null) out.push(paint("dim", `    key ${stage.key.slice(0, 16)}`))
    const near = history.find((one) => one.stage === stage.name)?.nearest
    if (near !== undefined) out.push(`    ${tellNearest(near, describeChanges, now)}`)
    for (const path of drifts[stage.name] ?? [])
      out.push(`    made again, it came out otherwise: the first result stays, the other is noted in ${path}`)
    if (stage.changes.length > 1) for (const change of stage.changes) out.push(`    ${describeChange(change)}`)
  }
  const upstream = causesOf(plan, step.name).filter((cause) => cause.step !== step.name)
  if (upstream.length > 0) out.push("", "what it waits for:")
  for (const cause of upstream) {
    const kind = plan.steps.find(({ name }) => name === cause.step)!.kind
    const why = [
      ...cause.changes.map(describeChange),
      ...(cause.waits_for.length > 0 ? [`waits for ${cause.waits_for.join(", ")}`] : [])
    ]
    const stage = plan.steps.find(({ name }) => name === cause.step)!.stages.find(({ name }) => name === cause.stage)!
    out.push(`  ${stageTitle(cause.step, cause.stage, kind)}: ${why.length > 0 ? why.join("; ") : stage.reason}`)
  }
  if (failed !== undefined) out.push("", `failed in ${failed.id}: ${reasonIn(failed, step.name)}`)
  if (ran !== undefined) out.push("", `last ran in ${ran.id}: ${reasonIn(ran, step.name)}`)
  return out.join("\n")
}

const nearestJson = (history: StageHistory | undefined) =>
  history === undefined
    ? null
    : {
        key: history.nearest.record.key,
        finished_at: history.nearest.record.finished_at,
        seconds: history.nearest.record.seconds,
        changes: history.nearest.changes
      }

export const explainVerb = Command.make(
  "explain",
  { file: Flags.file, step: Flags.step, set: Flags.set, json: Flags.json },
  Effect.fn("hone explain")(function* ({ file, json, set, step: name }) {
    const { folder, layer, planned } = yield* loadPlan({ file, sets: set, json })
    const step = planned.steps.find((candidate) => candidate.name === name)
    if (step === undefined) return yield* unknownStep(file, name, planned, json)
    const runs = readRuns(folder).filter((run) => run.file === fileInHome(folder, file))
    const last = (outcome: string) =>
      runs.find((run) => run.steps.some((one) => one.name === name && one.outcome === outcome))
    const [ran, broke] = [last("ran"), last("failed")]
    const known: Known = {
      // Loading the plan has met a missing engine already.
      history: yield* historyOf({ steps: [step] }).pipe(Effect.provide(layer), Effect.orDie),
      drifts: Object.fromEntries(
        step.stages.map((stage) => [stage.name, stage.key === null ? [] : driftsOf(folder, stage.key)])
      ),
      ran,
      failed: broke !== undefined && (ran === undefined || broke.started_at > ran.started_at) ? broke : undefined,
      now: yield* Clock.currentTimeMillis
    }
    if (json) {
      const stages = step.stages.map(({ changes, key, name: stage, preimage, reason, verdict }) => ({
        name: stage,
        verdict,
        reason,
        key,
        changes,
        preimage,
        nearest: nearestJson(known.history.find((one) => one.stage === stage)),
        drifts: known.drifts[stage] ?? []
      }))
      const told = (run: RunRecord | undefined) =>
        run === undefined ? null : { run: run.id, at: run.started_at, reason: reasonIn(run, name) }
      return printJson({
        step: name,
        kind: step.kind,
        verdict: step.verdict,
        reason: step.reason,
        stages,
        causes: causesOf(planned, name),
        last_ran: told(known.ran),
        failed: told(known.failed)
      })
    }
    print(render(planned, step, known))
  })
).pipe(
  Command.withDescription(
    "Say why a step is cached or runs: the field that changed, its old and new value, or the step it comes from"
  )
)
