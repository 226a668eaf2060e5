import type { Path } from "../file/Document.ts"
import type { FaultList } from "../file/FaultList.ts"
import { suggest } from "../file/Suggest.ts"
import type { Json } from "../Json.ts"
import type { Pipeline, PipelineStep, PipelineTypes } from "../Pipeline.ts"
import { describePort } from "../Port.ts"
import type { SweepBlock } from "./SweepBlock.ts"
import type { Metric, Pruning } from "./Sweep.ts"

/** The step whose held-out rows come in at a port, through whatever passes rows on; undefined where none do. */
const heldOutAt = (pipeline: Pipeline, step: PipelineStep, port: string): string | undefined => {
  const seen = new Set<string>()
  const follow = (from: PipelineStep, key: string): string | undefined => {
    const ref = from.inputs[key]
    if (ref === undefined || seen.has(`${ref.step}.${ref.output}`)) return undefined
    seen.add(`${ref.step}.${ref.output}`)
    const behind = pipeline.steps.find(({ name }) => name === ref.step)!
    if (behind.definition.outputs[ref.output]?.heldOut === true) return `${ref.step}.${ref.output}`
    for (const [name, input] of Object.entries(behind.definition.inputs)) {
      if (!input.accepts.some((kind) => kind === "rows" || kind === "tokens")) continue
      const found = follow(behind, name)
      if (found !== undefined) return found
    }
    return undefined
  }
  return follow(step, port)
}

/** What can be gone by in this pipeline: measures on rows that are connected, and not held out. */
const usable = (pipeline: Pipeline): ReadonlyArray<string> =>
  pipeline.steps.flatMap((step) =>
    Object.entries(step.definition.measures).flatMap(([name, { on }]) =>
      step.inputs[on] !== undefined && heldOutAt(pipeline, step, on) === undefined ? [`${step.name}.${name}`] : []
    )
  )

/** Whether a step evaluates rows that nothing may be chosen by. */
export const tellsHeldOut = (pipeline: Pipeline, step: PipelineStep): boolean =>
  Object.values(step.definition.measures).some(({ on }) => heldOutAt(pipeline, step, on) !== undefined)

/** The measure that a path names, or a fault at it. */
export const checkMetric = (
  path: string,
  goal: "maximize" | "minimize" | undefined,
  at: Path,
  pipeline: Pipeline,
  faults: FaultList
): Metric | undefined => {
  const refuse = (message: string, hint: string) => {
    faults.add(at, "value", "metric", message, hint)
    return undefined
  }
  const known = usable(pipeline)
  const step = pipeline.steps.find(({ name }) => path.startsWith(`${name}.`))
  if (step === undefined)
    return refuse(`\`${path}\` is given by no step`, known.length === 0 ? noMeasure : suggest(path, known))
  const name = path.slice(step.name.length + 1)
  const measure = Object.hasOwn(step.definition.measures, name) ? step.definition.measures[name] : undefined
  if (measure === undefined) {
    const own = Object.keys(step.definition.measures)
    const hint = own.length === 0 ? suggest(path, known) : suggest(name, own)
    return refuse(`\`${step.name}\` (${step.definition.kind}) gives no \`${name}\``, hint)
  }
  if (step.inputs[measure.on] === undefined)
    return refuse(
      `\`${step.name}\` gives no \`${name}\` without rows at \`${measure.on}\``,
      `connect ${measure.on}: parts.${measure.on}, say`
    )
  const held = heldOutAt(pipeline, step, measure.on)
  if (held !== undefined) {
    const other =
      known.length === 0
        ? noMeasure
        : `go by ${known.slice(0, 3).join(", ")}; the winner is measured on these rows once, at the end`
    return refuse(
      `\`${path}\` is measured on ${held}: a search that chooses by test rows leaves nothing to test on`,
      other
    )
  }
  return { path, step: step.name, measure, goal: goal ?? measure.goal, named: at }
}

const noMeasure = "no step here measures anything on validation rows: connect `validation` of a train step"

/** Metrics that the rows of this pipeline do not give: told once the types of its edges are known. */
export const checkFit = (
  metrics: ReadonlyArray<Metric>,
  pipeline: Pipeline,
  types: PipelineTypes,
  faults: FaultList
): void => {
  for (const { measure, named, path, step } of metrics) {
    const { definition, inputs } = pipeline.steps.find(({ name }) => name === step)!
    const ref = inputs[measure.on]!
    const rows = types[ref.step]?.[ref.output]
    if (rows === undefined || measure.fits?.(rows) !== false) continue
    const fitting = Object.entries(definition.measures).flatMap(([name, other]) =>
      other.fits?.(rows) === false ? [] : [`${step}.${name}`]
    )
    const message = `\`${path}\` is not told of rows like these (${describePort(rows)})`
    faults.add(named, "value", "metric", message, `write one of: ${fitting.join(", ")}`)
  }
}

/** What is gone by where the file does not say: the first measure of the last step that can be run for longer. */
export const defaultMetric = (pipeline: Pipeline): string | undefined => {
  const known = usable(pipeline)
  const step = pipeline.steps.findLast(
    ({ definition, name }) => definition.resource !== undefined && known.some((path) => path.startsWith(`${name}.`))
  )
  return step === undefined ? known[0] : known.find((path) => path.startsWith(`${step.name}.`))
}

const shareOf = (keep: NonNullable<SweepBlock["prune"]>["keep"]): number =>
  typeof keep === "string" ? 1 / Number(keep.slice(2)) : (keep ?? 1 / 3)

/** @param most the most of the resource that any trial has, by the param that says how much */
export const checkPruning = (
  block: NonNullable<SweepBlock["prune"]>,
  objective: Metric | undefined,
  pipeline: Pipeline,
  most: (path: string, base: Json | undefined) => number,
  faults: FaultList
): Pruning | null => {
  if (block.method === "none") return null
  const metric =
    block.metric === undefined
      ? objective
      : checkMetric(block.metric, block.goal, ["prune", "metric"], pipeline, faults)
  if (metric === undefined) return null
  const step = pipeline.steps.find(({ name }) => name === metric.step)!
  const { resource } = step.definition
  const refuse = (at: Path, message: string, hint: string) =>
    void faults.add(["prune", ...at], "value", "prune", message, hint)
  if (resource === undefined) {
    const at = block.metric === undefined ? [] : ["metric"]
    refuse(
      at,
      `\`${metric.path}\` is told once, at the end: there is no rung to stop at`,
      "prune by a metric of a train step, such as validation_loss"
    )
    return null
  }
  if (block.resource !== undefined && block.resource !== resource.name)
    refuse(["resource"], `\`${step.name}\` does not report \`${block.resource}\``, `it reports ${resource.name}`)
  const rungs = [...(block.rungs ?? [1])].sort((a, b) => a - b)
  const total = most(`${step.written}.${resource.param}`, resource.total(step.params))
  const beyond = rungs.filter((rung) => rung >= total)
  if (beyond.length > 0)
    refuse(
      block.rungs === undefined ? [] : ["rungs"],
      `a rung at ${resource.name} ${beyond.join(" and ")} stops nothing: no trial goes beyond ${resource.name} ${total}`,
      `write rungs below ${total}, or raise ${step.name}.${resource.param}`
    )
  if (new Set(rungs).size < rungs.length) refuse(["rungs"], "a rung stands twice", "write each once")
  if (block.method === "threshold" && block.threshold === undefined)
    refuse(
      [],
      "`method: threshold` needs the value that a trial must reach",
      `threshold: 0.6, say: of ${metric.path} at every rung`
    )
  return {
    method: block.method,
    metric,
    resource,
    rungs,
    keep: shareOf(block.keep),
    threshold: block.threshold ?? 0,
    start_after: block.start_after ?? 4
  }
}
