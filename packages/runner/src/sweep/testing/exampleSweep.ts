import { drawFor } from "@hone/core/sweep/draw"
import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { importanceOf } from "../importance/importance.ts"

const began = Date.parse("2026-11-24T08:00:00Z")
const strategies = ["head", { partial: { last_blocks: 2 } }, "full"] as const

/** A choice that differs, but for what is said of it. */
export const param = (path: string, more: Partial<SweepJson["params"][number]>): SweepJson["params"][number] => ({
  path,
  kind: "choice",
  values: null,
  low: null,
  high: null,
  expr: null,
  when: null,
  differs: true,
  ...more
})

/** A search of 18 trials as it might have gone: some stopped at rungs, one failed, the best three replicated, and a night between. */
export const exampleSweep = (): SweepJson => {
  const draw = drawFor(5, "example sweep")
  const clock = [0, 0]
  const trials = Array.from({ length: 18 }, (_, at): SweepTrial => {
    const strategy = strategies[Math.floor(draw() * 3)]!
    const rate = Number((10 ** (-5 + 2 * draw())).toPrecision(6))
    const batch = [8, 16, 32][Math.floor(draw() * 3)]!
    const decay = strategy === "head" ? undefined : Number((0.8 + 0.2 * draw()).toPrecision(4))
    const top = 0.86 - 0.06 * (Math.log10(rate) + 3.6) ** 2 + (strategy === "head" ? -0.04 : 0) + 0.01 * draw()
    const state = at === 9 ? "failed" : at > 4 && top < 0.83 ? "stopped" : "complete"
    const epochs = state === "failed" ? 0 : state === "stopped" ? (draw() < 0.5 ? 1 : 3) : 6
    const curve = Array.from({ length: epochs }, (_, epoch) => ({
      at: epoch + 1,
      value: top - 0.12 * Math.exp(-(epoch + 1) / 1.6) + 0.004 * draw()
    }))
    const slot = clock[0]! <= clock[1]! ? 0 : 1
    if (at === 11) clock.fill(Math.max(...clock) + 9 * 3600)
    const seconds = (strategy === "head" ? 3 : 11) * Math.max(1, epochs) + draw()
    const started_at = new Date(began + 1000 * clock[slot]!).toISOString()
    clock[slot]! += seconds
    const objective = state === "failed" ? null : curve.at(-1)!.value
    return {
      id: `t${at + 1}`,
      number: at + 1,
      params: {
        "tuned.learning_rate": rate,
        "tuned.batch_size": batch,
        "trainable.strategy": strategy,
        ...(decay === undefined ? {} : { "tuned.layer_decay": decay }),
        "tuned.weight_decay": Number((1000 * rate).toPrecision(4))
      },
      by: at < 10 ? "random" : "tpe",
      state,
      objective,
      sd: null,
      rank: null,
      replicates: [{ replicate: 0, objective }],
      rungs: curve
        .filter(({ at }) => at === 1 || at === 3)
        .map(({ at: resource, value }) => ({
          resource,
          value,
          threshold: 0.8,
          decision: state === "stopped" && resource === epochs ? "stopped" : "kept",
          why: "held against the best third so far"
        })),
      curve,
      spans: [{ slot, started_at, seconds, until: state === "stopped" ? epochs : null, replicate: 0 }],
      seconds,
      error:
        state === "failed"
          ? { step: "tuned", code: "OutOfMemory", message: "6.1 GB predicted, 7.9 GB seen", hint: "lower batch_size" }
          : null
    }
  })
  return ranked(trials)
}

const ranked = (trials: ReadonlyArray<SweepTrial>): SweepJson => {
  const whole = trials.filter(({ state }) => state === "complete").toSorted((a, b) => b.objective! - a.objective!)
  const replicated = whole.map((trial, at): SweepTrial => {
    if (at > 2) return { ...trial, rank: at + 1 }
    const objective = trial.objective!
    return {
      ...trial,
      rank: at + 1,
      sd: 0.004 + 0.001 * at,
      replicates: [0, 0.004, -0.004].map((by, replicate) => ({ replicate, objective: objective + by }))
    }
  })
  const stopped = trials.filter(({ state }) => state === "stopped").toSorted((a, b) => b.objective! - a.objective!)
  const all = [
    ...replicated,
    ...stopped.map((trial, at) => ({ ...trial, rank: whole.length + at + 1 })),
    ...trials.filter(({ state }) => state === "failed")
  ]
  const best = all[0]!
  const decisions = all.flatMap(({ number, rungs }) =>
    rungs.map(
      ({ decision, resource, value }) => `trial ${number} at epoch ${resource}: ${value.toFixed(3)}, ${decision}`
    )
  )
  const sweep: SweepJson = {
    version: 1,
    pipeline: "sentiment <b>&amp; more",
    file: "pipelines/sentiment-sweep.yaml",
    objective: { metric: "tuned.validation_accuracy", goal: "maximize", at: "best" },
    curve: { metric: "tuned.validation_accuracy", goal: "maximize", resource: "epoch" },
    search: { method: "tpe", seed: 7, max_trials: 18, parallel: 2 },
    prune: { method: "asha", rungs: [1, 3], keep: 1 / 3 },
    params: [
      param("tuned.learning_rate", { kind: "log", low: 1e-5, high: 1e-3 }),
      param("tuned.batch_size", { values: [8, 16, 32] }),
      param("trainable.strategy", { values: [...strategies] }),
      param("tuned.layer_decay", { kind: "range", low: 0.8, high: 1, when: 'trainable.strategy != "head"' }),
      param("tuned.weight_decay", { kind: "expr", expr: "1000 * tuned.learning_rate" })
    ],
    trials: all,
    best: best.id,
    test: {
      steps: ["after"],
      metric: "accuracy",
      best: { accuracy: best.objective! - 0.021, macro_f1: best.objective! - 0.023 }
    },
    base: { step: "verdict", how: "probed on its frozen features", test: { accuracy: 0.763, macro_f1: 0.762 } },
    cost: { wall_seconds: 410, trial_seconds: 702, steps: 126, distinct_steps: 49 },
    decisions,
    warnings: [
      `the best of ${whole.length} is chosen by its number on validation rows, which flatters it: on test rows it is 0.021 lower`
    ],
    ended: "18 of 18 trials"
  }
  return { ...sweep, importance: importanceOf(sweep) }
}
