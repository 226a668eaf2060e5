import { canonicalJson } from "@hone/core/Canonical"
import { semanticParams } from "@hone/core/Params"
import type { Pipeline, PipelineStep } from "@hone/core/Pipeline"
import type { PlannedStage } from "@hone/core/plan/Plan"
import { ActionRecords } from "@hone/core/Services"
import { type Sweep, trialId, type TrialParams } from "@hone/core/sweep/Sweep"
import { Effect } from "effect"
import { lookAt } from "./piece.ts"
import { type Proposal, samplerOf } from "./search/Sampler.ts"
import { type PlannedPiece, type Trials } from "./Trials.ts"

export interface Outlook {
  readonly trials: number
  readonly isExact: boolean
  readonly steps: number
  readonly distinct: number
  readonly done: number
  /** Of the distinct steps to run, as far as it is known. */
  readonly seconds: number | undefined
  readonly unknown: number
  /** Trials that have something to run. */
  readonly toRun: ReadonlyArray<PlannedPiece>
  /** Trials whose params do not go together. */
  readonly faulty: ReadonlyArray<{ readonly params: TrialParams; readonly message: string }>
}

/** Trials to come, those that the log knows first; of an adaptive search as if the rest were drawn before there are results. */
const trialsAhead = (sweep: Sweep): ReadonlyArray<Proposal> => {
  const sampler = samplerOf(sweep)
  const known = new Set<string>()
  const trials: Array<Proposal> = []
  const most = sweep.search.max_trials ?? Infinity
  while (trials.length < most) {
    const proposal = sampler.next(trials.length, known, [])
    if (proposal === undefined) break
    known.add(trialId(proposal.params))
    trials.push(proposal)
  }
  return trials
}

/** Numbers for steps by what they are and read: equal numbers are one result, whether or not it is known yet. */
const numbering = () => {
  const numbers = new Map<string, number>()
  const texts = new Map<PipelineStep["params"], string>()
  const paramsOf = ({ definition, params }: PipelineStep): string => {
    // Params of equal blocks are one object: see `readPipeline`.
    const text = texts.get(params) ?? canonicalJson(semanticParams(definition.params, params))
    texts.set(params, text)
    return text
  }
  return (pipeline: Pipeline): ReadonlyMap<string, number> => {
    const found = new Map<string, number>()
    for (const step of pipeline.steps) {
      const inputs = Object.entries(step.inputs).map(
        ([port, { output, step: from }]) => `${port}=${found.get(from)}.${output}`
      )
      const sources = Object.values(step.sources).map(({ spec }) => spec)
      const text = [step.definition.kind, paramsOf(step), ...inputs, ...sources].join(" ")
      const number = numbers.get(text) ?? numbers.size
      numbers.set(text, number)
      found.set(step.name, number)
    }
    return found
  }
}

const median = (values: ReadonlyArray<number>): number | undefined =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** How much of a whole training the pruning lets a trial do, on average, where it works as planned. */
const shareTrained = ({ prune }: Sweep, total: number): number => {
  if (prune?.method !== "asha") return 1
  const rungs = [...prune.rungs.filter((rung) => rung < total), total]
  return rungs.reduce((sum, rung, at) => sum + prune.keep ** at * (rung - (rungs[at - 1] ?? 0)), 0) / total
}

/** What a sweep would run now: reads records alone. */
export const outlookOf = Effect.fn("outlook")(function* (trials: Trials) {
  const records = yield* ActionRecords
  const { sweep } = trials
  const ahead = trialsAhead(sweep)
  const numbersOf = numbering()
  const [distinct, done] = [new Set<number>(), new Set<number>()]
  const likes = new Map<string, number | undefined>()
  const faulty: Array<{ readonly params: TrialParams; readonly message: string }> = []
  let [steps, seconds, unknown] = [0, 0, 0]
  const toRun: Array<PlannedPiece> = []

  const timeOf = Effect.fnUntraced(function* (stage: PlannedStage) {
    if (stage.took !== undefined) return stage.took
    if (!likes.has(stage.identity)) {
      const like = yield* records.ofKind(stage.identity)
      likes.set(stage.identity, median(like.slice(-20).map((record) => record.seconds)))
    }
    return likes.get(stage.identity)
  })

  for (const { params } of ahead) {
    const looked = yield* lookAt(trials, { params, until: null, replicate: 0 })
    if ("failure" in looked) {
      faulty.push({ params, message: looked.failure.message })
      continue
    }
    const { planned, prepared } = looked.planned
    if (!looked.planned.isDone) toRun.push(looked.planned)
    const numbers = numbersOf(prepared.pipeline)
    for (const [at, step] of planned.steps.entries()) {
      steps += 1
      const number = numbers.get(step.name)!
      if (distinct.has(number)) continue
      distinct.add(number)
      if (step.verdict === "hit") {
        done.add(number)
        continue
      }
      const { definition, params: own } = prepared.pipeline.steps[at]!
      const isPruned = sweep.prune?.metric.step === step.name
      const share = isPruned ? shareTrained(sweep, definition.resource!.total(own)) : 1
      for (const stage of step.stages) {
        if (stage.verdict !== "run") continue
        const took = yield* timeOf(stage)
        if (took === undefined) unknown += 1
        else seconds += took * share
      }
    }
  }
  const outlook: Outlook = {
    trials: ahead.length,
    isExact: !samplerOf(sweep).isAdaptive,
    steps,
    distinct: distinct.size,
    done: done.size,
    seconds: seconds === 0 && unknown > 0 ? undefined : seconds,
    unknown,
    toRun,
    faulty
  }
  return outlook
})
