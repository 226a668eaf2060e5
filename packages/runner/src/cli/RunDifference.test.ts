import type { RunRecord, StepOutcome } from "@hone/core/record/RunRecord"
import { expect, it } from "vitest"
import { profileName } from "../schedule/StageRun.ts"
import { differenceOfRuns } from "./RunDifference.ts"

// A matrix over paths puts slashes into the names of its steps.
const step = "tuned@base=models/small"

const runWith = (key: string) => {
  const stage = { stage: "fit", identity: "train/fit", outcome: "ran", key, seconds: 1 }
  return { sets: [], ended: "", seconds: 1, steps: [{ name: step, stages: [stage] } as unknown as StepOutcome] }
}

it("a step whose name has slashes is told by its whole name", () => {
  const runs = [runWith("a"), runWith("b")] as unknown as [RunRecord, RunRecord]
  const { stages } = differenceOfRuns(...runs, () => undefined)
  expect(stages.map((one) => [one.step, one.stage])).toEqual([[step, "fit"]])
})

it("and its profile lies in the folder that was asked for", () => {
  expect(profileName("/profile", step, "fit")).toBe("/profile/tuned@base=models_small.fit")
})
