import type { StepOutcome } from "@hone/core/record/RunRecord"
import type { StoreFolder } from "../store/Folder.ts"
import { readRecord } from "../store/Records.ts"
import { renderComparison } from "./Comparison.ts"
import { duration, paint } from "./Output.ts"

/** The facts of each step's comparison, where the pipeline makes one. */
const comparisons = (folder: StoreFolder, steps: ReadonlyArray<StepOutcome>) =>
  steps.flatMap((step) =>
    step.stages.flatMap(({ key }) => {
      const facts = key === null ? undefined : readRecord(folder, key)?.outputs["comparison"]?.facts
      return facts === undefined ? [] : [{ step: step.name, facts }]
    })
  )

/** What a CI job goes by: failed if any comparison's thresholds are not met; absent where the pipeline sets none. */
export const verdictOf = (folder: StoreFolder, steps: ReadonlyArray<StepOutcome>): "passed" | "failed" | undefined => {
  const verdicts = comparisons(folder, steps).flatMap(
    ({ facts }) => (facts["verdict"] as { passed: boolean } | null | undefined) ?? []
  )
  if (verdicts.length === 0) return undefined
  return verdicts.every(({ passed }) => passed) ? "passed" : "failed"
}

export interface RunResult {
  readonly steps: ReadonlyArray<StepOutcome>
  readonly ok: boolean
  readonly seconds: number
  readonly verdict: "passed" | "failed" | undefined
  readonly folder: StoreFolder
}

const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`

/** The last words of a run: the comparison in full, then what ran and what did not have to. */
export const renderEnd = ({ folder, ok, seconds, steps }: RunResult): string => {
  const out: Array<string> = []
  for (const { facts, step } of comparisons(folder, steps)) out.push("", renderComparison(step, facts))
  const count = (outcome: StepOutcome["outcome"]) => steps.filter((step) => step.outcome === outcome).length
  const parts = [
    `${plural(count("ran"), "step")} ran`,
    ...(count("hit") > 0 ? [`${count("hit")} cached`] : []),
    ...(count("cut_off") > 0 ? [`${count("cut_off")} cut off (what they read came out as before)`] : []),
    ...(count("failed") > 0 ? [paint("red", `${count("failed")} failed`)] : []),
    ...(count("skipped") > 0 ? [`${count("skipped")} skipped`] : [])
  ]
  out.push("", `${ok ? paint("green", "done") : paint("red", "failed")} in ${duration(seconds)}: ${parts.join(", ")}`)
  return out.join("\n")
}
