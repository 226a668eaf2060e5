import type { PlanJson } from "@hone/core/Contract"
import type { Plan, PlannedStep } from "@hone/core/plan/Plan"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "../Flags.ts"
import { forecastsOf, renderForecasts, type StageForecast } from "../Forecasts.ts"
import { historyOf, renderHistory, type StageHistory } from "../History.ts"
import type { FileOptions } from "../Load.ts"
import { loadPlan } from "../Load.ts"
import { paint, print, printJson, table } from "../Output.ts"
import { changeOf } from "../Watch.ts"

export const planJson = (
  plan: Plan,
  forecasts: ReadonlyArray<StageForecast> = [],
  history: ReadonlyArray<StageHistory> = []
): PlanJson => ({
  steps: plan.steps.map(({ key, kind, name, reason, stages, verdict }) => ({
    name,
    kind,
    verdict,
    reason,
    key,
    stages: stages.map((stage) => ({
      name: stage.name,
      verdict: stage.verdict,
      reason: stage.reason,
      key: stage.key,
      expected_seconds: stage.verdict === "run" ? (stage.took ?? null) : null,
      predicted: predictedOf(forecasts.find((one) => one.step === name && one.stage === stage.name)),
      history: history.find((one) => one.step === name && one.stage === stage.name)?.expected ?? null
    }))
  }))
})

const predictedOf = (forecast: StageForecast | undefined) => {
  if (forecast === undefined) return null
  const { batch, flops_per_step, peak_memory_bytes, steps } = forecast
  return { peak_memory_bytes, flops_per_step, steps, batch }
}

const styles = { hit: "dim", run: "green", maybe: "yellow", absent: "dim", not_needed: "dim" } as const

const stageRows = (step: PlannedStep) =>
  step.stages.length < 2
    ? []
    : step.stages.map((stage) => [
        paint("dim", `  ${stage.name}`),
        "",
        paint(styles[stage.verdict], stage.verdict.replace("_", " ")),
        paint("dim", stage.reason)
      ])

export const renderPlan = (
  plan: Plan,
  forecasts: ReadonlyArray<StageForecast>,
  history: ReadonlyArray<StageHistory>,
  memory: number | null
): string => {
  const rows = plan.steps.flatMap((step) => [
    [step.name, paint("dim", step.kind), paint(styles[step.verdict], step.verdict), step.reason],
    ...stageRows(step)
  ])
  const count = (verdict: string) => plan.steps.filter((step) => step.verdict === verdict).length
  const maybe = count("maybe")
  const tail = `${count("run")} to run, ${count("hit")} cached${maybe > 0 ? `, ${maybe} that run only if what they read comes out changed` : ""}`
  const predicted = forecasts.length === 0 ? "" : `\npredicted from the graph: ${renderForecasts(forecasts, memory)}`
  return `${table(rows)}\n\n${tail}${renderHistory(plan, history)}${predicted}`
}

const planOnce = Effect.fnUntraced(function* (options: FileOptions) {
  const { layer, pipeline, planned, prepared } = yield* loadPlan(options)
  // Loading the plan has met a missing engine already.
  const history = yield* historyOf(planned).pipe(Effect.provide(layer), Effect.orDie)
  const forecasts = yield* forecastsOf(pipeline, prepared.types, planned)
  if (options.json) printJson(planJson(planned, forecasts, history))
  else print(renderPlan(planned, forecasts, history, pipeline.memory))
  return Object.keys(pipeline.texts)
})

/** Plans again whenever the file, or one it includes, is saved; faults are shown and waited out. Ends by Ctrl-C. */
const planAgain = Effect.fnUntraced(function* (options: FileOptions) {
  for (;;) {
    if (!options.json && process.stdout.isTTY) print("\u001b[2J\u001b[H")
    const files = yield* planOnce(options).pipe(Effect.catchTag("Exit", () => Effect.succeed([options.file])))
    yield* changeOf([options.file, ...files])
  }
})

export const planVerb = Command.make(
  "plan",
  {
    file: Flags.file,
    set: Flags.set,
    json: Flags.json,
    watch: Flag.Boolean("watch").pipe(
      Flag.withDescription("plan again whenever the file is saved"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("hone plan")(function* ({ file, json, set, watch }) {
    const options: FileOptions = { file, sets: set, json }
    yield* watch ? planAgain(options) : planOnce(options)
  })
).pipe(Command.withDescription("Say what a run would do and why, and run nothing"))
