import { expect, it } from "vitest"
import { type ScheduleName, schedules } from "./schedules.ts"

/** Factors of transformers' get_*_schedule_with_warmup for 3 warm-up steps of 10, steps 0 to 10. */
const reference: ReadonlyArray<readonly [ScheduleName, ReadonlyArray<number>]> = [
  ["constant", [0, 1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1, 1]],
  ["linear", [0, 1 / 3, 2 / 3, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7, 0]],
  [
    "cosine",
    [
      0,
      1 / 3,
      2 / 3,
      1,
      0.9504844339512095,
      0.8117449009293668,
      0.6112604669781572,
      0.3887395330218428,
      0.1882550990706332,
      0.04951556604879043,
      0
    ]
  ]
]

it.each(reference)("%s follows transformers", (name, factors) => {
  factors.forEach((factor, step) => expect(schedules[name](step, 10, 3), `step ${step}`).toBeCloseTo(factor, 12))
})

it.each(reference)("%s starts at once without warm-up, and never falls below zero", (name) => {
  expect(schedules[name](0, 10, 0)).toBe(1)
  expect(schedules[name](11, 10, 3)).toBeGreaterThanOrEqual(0)
})
