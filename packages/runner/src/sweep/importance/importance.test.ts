import { readFileSync } from "node:fs"
import { drawFor } from "@hone/core/sweep/draw"
import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { assert, describe, expect, it } from "vitest"
import { param } from "../testing/exampleSweep.ts"
import { importanceOf } from "./importance.ts"

type Param = SweepJson["params"][number]
interface Tried {
  readonly params: Readonly<Record<string, unknown>>
  readonly objective: number | null
  readonly state?: SweepTrial["state"]
}

const sweep = (
  params: ReadonlyArray<Param>,
  trials: ReadonlyArray<Tried>,
  goal: "maximize" | "minimize" = "maximize"
) => ({
  objective: { metric: "tuned.validation_accuracy", goal, at: "best" } as const,
  curve: { metric: "tuned.validation_loss", goal: "minimize", resource: "epoch" } as const,
  prune: null,
  params,
  search: { method: "random", seed: 7, max_trials: null, parallel: 1 },
  trials: trials.map(({ objective, params, state = "complete" }, at) => ({
    id: String(at),
    number: at + 1,
    params,
    by: "random",
    state,
    objective,
    sd: null,
    rank: null,
    replicates: [],
    rungs: [],
    curve: [],
    spans: [],
    seconds: 1,
    error: null
  }))
})

const unit = (path: string) => param(path, { kind: "range", low: 0, high: 1 })
const sharesByName = (told: ReturnType<typeof importanceOf>) =>
  Object.fromEntries(told.params.map(({ paths, share }) => [paths.join(), share]))

/** Trials of which the first param decides all and the second nothing. */
const oneDecides = (trials: number) => {
  const draw = drawFor(1, "one decides")
  return Array.from({ length: trials }, () => {
    const [a, b] = [draw(), draw()]
    return { params: { a, b }, objective: 3 * a }
  })
}

it("importances are those of Optuna's fANOVA on the same trials", () => {
  const golden = JSON.parse(
    readFileSync(new URL("../../../../../test/golden/importance/golden.json", import.meta.url), "utf8")
  ) as { readonly trials: ReadonlyArray<Tried>; readonly importances: Readonly<Record<string, number>> }
  const told = importanceOf(
    sweep(
      [
        param("rate", { kind: "range", low: -5, high: -3 }),
        param("tuned.batch_size", { kind: "choice", values: [8, 16, 32] }),
        param("trainable.last_blocks", { kind: "int", low: 1, high: 6 })
      ],
      golden.trials
    )
  )
  const alone = told.params.reduce((sum, { share }) => sum + share, 0)
  // Optuna scales what params make alone to a sum of 1.
  for (const [path, share] of Object.entries(sharesByName(told)))
    assert.closeTo(share / alone, golden.importances[path]!, 0.05, path)
})

it("a logarithmic param counts by its logarithm", () => {
  const draw = drawFor(5, "log")
  const trials = Array.from({ length: 200 }, () => {
    const [a, b] = [10 ** (-4 * draw()), draw()]
    return { params: { a, b }, objective: Math.log10(a) + 4 * b }
  })
  const shares = sharesByName(importanceOf(sweep([param("a", { kind: "log", low: 1e-4, high: 1 }), unit("b")], trials)))
  assert.closeTo(shares["a"]!, 0.5, 0.05)
  assert.closeTo(shares["b"]!, 0.5, 0.05)
})

describe("what is said of it", () => {
  it("names the param that stands out and doubts the other", () => {
    const told = importanceOf(sweep([unit("a"), unit("b")], oneDecides(60)))
    assert.isAbove(sharesByName(told)["a"]!, 0.9)
    expect(told.words).toMatch(
      /^From 60 trials' tuned\.validation_accuracy: .* foretells \d+ % .*, and a gets more .*, the rest may be chance\.$/u
    )
  })

  it("is doubted where there are few trials, and not told at all under five", () => {
    expect(importanceOf(sweep([unit("a"), unit("b")], oneDecides(12))).words).toContain("believe the order at most")
    const told = importanceOf(sweep([unit("a"), unit("b")], oneDecides(4)))
    assert.deepStrictEqual([told.explained, told.params], [null, []])
    expect(told.words).toBe("Not told from fewer than 5 whole trials; there are 4.")
  })

  it("is not believed where objectives are drawn at random", () => {
    const draw = drawFor(2, "noise")
    const noise = Array.from({ length: 40 }, () => ({ params: { a: draw(), b: draw() }, objective: draw() }))
    expect(importanceOf(sweep([unit("a"), unit("b")], noise)).words).toContain("not to be believed")
  })

  it("says so where all trials came out alike", () => {
    const alike = oneDecides(8).map((trial) => ({ ...trial, objective: 0.5 }))
    expect(importanceOf(sweep([unit("a"), unit("b")], alike)).words).toBe("Not told: the 8 whole trials do not differ.")
  })
})

it("trials that were stopped, failed or are not finished are left out", () => {
  const more = (["stopped", "failed", "unfinished"] as const).map((state) => ({
    params: { a: 0.5, b: 0.5 },
    objective: state === "failed" ? null : 1e9,
    state
  }))
  const whole = oneDecides(30)
  assert.deepStrictEqual(
    importanceOf(sweep([unit("a"), unit("b")], [...whole, ...more])),
    importanceOf(sweep([unit("a"), unit("b")], whole))
  )
})

it("where pruning stopped most trials, the first rung tells what all of them came to", () => {
  const rungAt = (resource: number, value: number) =>
    ({ resource, value, threshold: null, decision: "kept", why: "" }) as const
  const pruned = sweep([unit("a"), unit("b")], oneDecides(40))
  const trials = pruned.trials.map((trial, at) => ({
    ...trial,
    state: at < 4 ? ("complete" as const) : ("stopped" as const),
    objective: at < 4 ? trial.objective : null,
    // The first rung hangs on `b`, what came after on `a`.
    rungs: [rungAt(1, Number(trial.params["b"])), rungAt(3, Number(trial.params["a"]))]
  }))
  const told = importanceOf({ ...pruned, trials, prune: { method: "asha", rungs: [1, 3], keep: 0.5 } })
  assert.deepStrictEqual([told.of, told.trials], ["tuned.validation_loss at epoch 1", 40])
  assert.isAbove(sharesByName(told)["b"]!, 0.9)
})

it("one training that diverged is not all of the variance", () => {
  const [first, ...rest] = oneDecides(60)
  const trials = [{ ...first!, objective: 1e12 }, ...rest]
  assert.isAbove(sharesByName(importanceOf(sweep([unit("a"), unit("b")], trials, "minimize")))["a"]!, 0.9)
})

it("bundled params are one, tied ones none, and a condition is no value", () => {
  const draw = drawFor(4, "kinds")
  const trials = Array.from({ length: 40 }, () => {
    const focal = draw() < 0.5
    const a = draw()
    return {
      params: {
        "t.loss": focal ? "focal" : "plain",
        "t.epochs": focal ? 4 : 3,
        a,
        ...(focal ? { gamma: draw() } : {}),
        tied: 2 * a
      },
      objective: (focal ? 1 : 0) + a
    }
  })
  const told = importanceOf(
    sweep(
      [
        param("t.loss", { kind: "bundle" }),
        param("t.epochs", { kind: "bundle" }),
        unit("a"),
        param("gamma", { kind: "range", low: 0, high: 1, when: 't.loss == "focal"' }),
        param("tied", { kind: "expr", expr: "2 * a" })
      ],
      trials
    )
  )
  // Variances: 1/4 of the bundle, 1/12 of `a`.
  const shares = sharesByName(told)
  assert.deepStrictEqual(Object.keys(shares), ["t.loss,t.epochs", "a", "gamma"])
  assert.closeTo(shares["t.loss,t.epochs"]!, 0.75, 0.1)
  assert.isBelow(shares["gamma"]!, 0.05)
})
