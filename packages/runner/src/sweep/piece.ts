import type { RunEvent } from "@hone/core/Contract"
import { PipelineFaults } from "@hone/core/Fault"
import { plan } from "@hone/core/plan/Plan"
import type { StepOutcome } from "@hone/core/record/RunRecord"
import { Effect } from "effect"
import { runSteps } from "../schedule/Run.ts"
import type { Shared } from "../schedule/StageRun.ts"
import type { StoreFolder } from "../store/Folder.ts"
import type { TrialFailure, Worked } from "./TrialLog.ts"
import { forget, type Piece, type PlannedPiece, planPiece, type Trials } from "./Trials.ts"

/** How a piece came to its end. `missing`: it has not run. */
export type PieceEnd =
  | { readonly state: "done"; readonly planned: PlannedPiece }
  | { readonly state: "failed"; readonly failure: TrialFailure }
  | { readonly state: "missing" }

/** What running pieces share. */
export interface Machine {
  readonly trials: Trials
  readonly folder: StoreFolder
  readonly cores: number
  readonly shared: Shared
}

// Failures of the moment; any other is told by the work itself, which would tell the same again.
const passing: ReadonlyArray<string> = ["killed", "crashed", "store", "defect"]

export const isPassing = ({ code }: TrialFailure): boolean => passing.includes(code)

/** A piece before it runs: planned, or failed already by params that do not go together. */
export const lookAt = (trials: Trials, piece: Piece) =>
  planPiece(trials, piece).pipe(
    Effect.map((planned) => ({ planned }) as const),
    Effect.catchTag("PipelineFaults", ({ faults }: PipelineFaults) => {
      const { code, hint, message } = faults[0]!
      return Effect.succeed({ failure: { step: "", code, message, hint } } as const)
    })
  )

export interface RanPiece {
  readonly end: PieceEnd
  /** The key of the stage that failed. */
  readonly key: string | null
}

/** What is told of a piece as it runs. */
interface Watch {
  readonly show: (event: RunEvent) => void
  readonly ended: (step: StepOutcome) => void
}

/** Runs what a piece lacks, trying passing failures again, and plans it once more to read its result. */
export const runPiece = Effect.fn("trial")(function* (
  machine: Machine,
  piece: Piece,
  first: PlannedPiece,
  watch: Watch
) {
  const { trials } = machine
  let attempts = 0
  for (;;) {
    const failures: Array<TrialFailure> = []
    const steps: Array<StepOutcome> = []
    yield* passes(machine, first, {
      show: (event) => {
        if (event.event === "failure") {
          const { code, hint, message, step } = event
          failures.push({ code, hint, message, step })
        }
        watch.show(event)
      },
      ended: (step) => {
        steps.push(step)
        watch.ended(step)
      }
    })
    const failure = failures[0]
    if (failure === undefined) {
      const looked = yield* lookAt(trials, piece)
      if ("planned" in looked && looked.planned.isDone)
        return { end: { state: "done", planned: looked.planned }, key: null } as RanPiece
      const gone = { step: "", code: "gone", message: "its result is not in the store although it ran", hint: "" }
      return { end: { state: "failed", failure: gone }, key: null } as RanPiece
    }
    if (isPassing(failure) && attempts++ < trials.sweep.failure.retry) continue
    const { code, hint, message, step } = failure
    const key = steps.flatMap(({ stages }) => stages.filter(({ outcome }) => outcome === "failed")).at(0)?.key ?? null
    return { end: { state: "failed", failure: { step, code, message, hint } }, key } as RanPiece
  }
})

/** Runs the steps; a stored file that turns out damaged is made again in a further pass. */
const passes = Effect.fnUntraced(function* (
  { cores, folder, shared, trials }: Machine,
  { planned, prepared }: PlannedPiece,
  { ended, show }: Watch
) {
  const { last } = trials
  const told = new Set<string>()
  for (let now = planned; ; now = yield* plan(prepared, last)) {
    const { damaged } = yield* runSteps({ prepared, planned: now, last, folder, cores, show, ended, shared, told })
    if (damaged.size === 0) return
    forget(trials.memo)
  }
})

/** Whether a piece failed before in a way that it would again: what failed has the same key now. */
export const failedBefore = (
  work: ReadonlyArray<Worked>,
  { replicate, until }: Piece,
  { planned }: PlannedPiece
): TrialFailure | undefined => {
  const failure = work.findLast((one) => one.until === until && one.replicate === replicate)?.failure
  if (failure === undefined || failure === null || isPassing(failure)) return undefined
  const isSame = planned.steps.some(({ stages }) => stages.some(({ key }) => key !== null && key === failure.key))
  if (!isSame) return undefined
  const { code, hint, message, step } = failure
  return { step, code, message, hint }
}
