import type { Change } from "@hone/core/plan/Changes"
import { describeChange } from "@hone/core/plan/Changes"
import type { Plan, PlannedStage, PlannedStep } from "@hone/core/plan/Plan"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { fileInHome, readRuns } from "../../store/Runs.ts"
import * as Flags from "../Flags.ts"
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

const render = (plan: Plan, step: PlannedStep, lastRan: string | undefined): string => {
  const out = [`${paint("bold", step.name)} (${step.kind}): ${step.verdict}`]
  for (const stage of step.stages) {
    const title = step.stages.length > 1 ? `  ${stage.name}: ${stage.verdict.replace("_", " ")}: ` : "  "
    out.push(`${title}${stage.reason}`)
    if (stage.key !== null) out.push(paint("dim", `    key ${stage.key.slice(0, 16)}`))
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
  if (lastRan !== undefined) out.push("", lastRan)
  return out.join("\n")
}

export const explainVerb = Command.make(
  "explain",
  { file: Flags.file, step: Flags.step, set: Flags.set, json: Flags.json },
  Effect.fn("hone explain")(function* ({ file, json, set, step: name }) {
    const { folder, planned } = yield* loadPlan({ file, sets: set, json })
    const step = planned.steps.find((candidate) => candidate.name === name)
    if (step === undefined) return yield* unknownStep(file, name, planned, json)
    const run = readRuns(folder).find(
      (candidate) =>
        candidate.file === fileInHome(folder, file) &&
        candidate.steps.some((s) => s.name === name && s.outcome === "ran")
    )
    const then = run?.steps.find((candidate) => candidate.name === name)
    if (json) {
      const stages = step.stages.map(({ changes, key, name: stage, preimage, reason, verdict }) => ({
        name: stage,
        verdict,
        reason,
        key,
        changes,
        preimage
      }))
      const last_ran = run === undefined ? null : { run: run.id, at: run.started_at, reason: then?.reason ?? "" }
      return printJson({
        step: name,
        kind: step.kind,
        verdict: step.verdict,
        reason: step.reason,
        stages,
        causes: causesOf(planned, name),
        last_ran
      })
    }
    const lastRan = run === undefined ? undefined : `last ran in ${run.id}: ${then?.reason ?? ""}`
    print(render(planned, step, lastRan))
  })
).pipe(
  Command.withDescription(
    "Say why a step is cached or runs: the field that changed, its old and new value, or the step it comes from"
  )
)
