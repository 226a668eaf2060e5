import { assert, it } from "vitest"
import { count } from "../scripts/test/count.mjs"

const file = (status: string, ...outcomes: Array<string>) => ({
  status,
  assertionResults: outcomes.map((outcome) => ({ status: outcome }))
})

it("counts tests over all files", () => {
  const report = { testResults: [file("passed", "passed", "skipped", "todo"), file("failed", "passed", "failed")] }
  assert.deepStrictEqual(count(report, 1), { passed: 2, failed: 1, skipped: 2 })
})

it("a file that does not load is a failure, although none of its tests ran", () => {
  assert.deepStrictEqual(count({ testResults: [file("failed")] }, 1), { passed: 0, failed: 1, skipped: 0 })
})

it("a run that crashes is a failure, with a report or without", () => {
  assert.deepStrictEqual(count(undefined, 1), { passed: 0, failed: 1, skipped: 0 })
  assert.deepStrictEqual(count({ testResults: [file("passed", "passed")] }, 1), { passed: 1, failed: 1, skipped: 0 })
})
