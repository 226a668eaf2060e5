import type { Metric, Pruning } from "@hone/core/sweep/Sweep"
import { describe, expect, it } from "vitest"
import { type Decision, nextMove, type Runner } from "./decide.ts"

const pruning = (over: Partial<Pruning>): Pruning => ({
  method: "asha",
  metric: { path: "t.validation_loss", step: "t", goal: "minimize" } as Metric,
  resource: { name: "epoch" } as Pruning["resource"],
  rungs: [1, 3],
  keep: 1 / 3,
  threshold: 0,
  start_after: 1,
  ...over
})

/**
 * A search whose trial n has at every rung the value values[n], run to its end one piece at a time; the decisions, in the order taken,
 * and what was trained, as "trial@rung".
 */
const searched = (how: Pruning, values: ReadonlyArray<number>) => {
  const runners: Array<{ -readonly [K in keyof Runner]: Runner[K] }> = []
  const decisions: Array<Decision> = []
  const trained: Array<string> = []
  const train = (runner: (typeof runners)[number]) => {
    const until = how.rungs[runner.passed]
    trained.push(`${runner.trial + 1}@${until ?? "end"}`)
    if (until === undefined) runner.state = "complete"
    else runner.reached = [...runner.reached, { resource: until, value: values[runner.trial]! }]
  }
  for (;;) {
    const move = nextMove(how, { runners, canAsk: runners.length < values.length, isPending: false })
    if (move === undefined)
      return {
        decisions,
        trained,
        complete: runners.filter(({ state }) => state === "complete").map(({ trial }) => trial + 1)
      }
    if (move.do === "ask") {
      runners.push({ trial: runners.length, ladder: how.rungs, reached: [], passed: 0, state: "going" })
      train(runners.at(-1)!)
    } else if (move.do === "decide") {
      decisions.push(move.decision)
      const runner = runners[move.decision.trial]!
      if (move.decision.decision === "stopped") runner.state = "stopped"
      else {
        runner.passed += 1
        train(runner)
      }
    }
  }
}

describe("asha", () => {
  it("lets a trial on as soon as it is among the best third at its rung, and says so", () => {
    const { complete, decisions, trained } = searched(pruning({}), [0.9, 0.5, 0.7, 0.4, 0.8, 0.6, 0.3, 0.95, 0.65])
    expect(trained).toEqual([
      "1@1",
      "2@1",
      "3@1",
      "2@3",
      "4@1",
      "4@3",
      "5@1",
      "6@1",
      "7@1",
      "7@3",
      "7@end",
      "8@1",
      "9@1"
    ])
    expect(complete).toEqual([7])
    expect(decisions[0]).toEqual({
      trial: 1,
      resource: 1,
      value: 0.5,
      threshold: 0.5,
      decision: "kept",
      why: "the best of 3"
    })
    expect(
      decisions.filter(({ decision }) => decision === "stopped").map(({ resource, trial }) => [trial + 1, resource])
    ).toEqual([
      [6, 1],
      [9, 1],
      [3, 1],
      [5, 1],
      [1, 1],
      [8, 1],
      [4, 3],
      [2, 3]
    ])
    expect(decisions.at(-1)).toMatchObject({ threshold: 0.3, why: "not among the best 1 of 3" })
  })

  it("stops nothing where too few have come to a rung to compare, and always brings one trial to its end", () => {
    const few = searched(pruning({ start_after: 4 }), [0.9, 0.5, 0.7])
    expect(few.complete).toEqual([1, 2, 3])
    expect(few.decisions[0]!.why).toBe("only 3 trials came this far: too few to compare (start_after 4)")
    expect(searched(pruning({}), [0.9, 0.5]).complete).toEqual([2])
  })

  it("keeps the highest where the metric is to be maximised", () => {
    const metric = { path: "t.validation_accuracy", step: "t", goal: "maximize" } as Metric
    expect(searched(pruning({ metric, rungs: [1] }), [0.1, 0.9, 0.3]).complete).toEqual([2])
  })
})

describe("median and threshold", () => {
  it("stop a trial that is worse than the median of those before it", () => {
    const { complete, decisions } = searched(
      pruning({ method: "median", start_after: 2, rungs: [1] }),
      [0.5, 0.75, 0.75, 0.5, 1]
    )
    expect(complete).toEqual([1, 2, 4])
    expect(decisions.map(({ threshold }) => threshold)).toEqual([null, null, 0.625, 0.75, 0.625])
  })

  it("stop a trial that misses a fixed value at any rung", () => {
    const { complete, trained } = searched(pruning({ method: "threshold", threshold: 0.6 }), [0.5, 0.7])
    expect(complete).toEqual([1])
    expect(trained).toEqual(["1@1", "1@3", "1@end", "2@1"])
  })
})
