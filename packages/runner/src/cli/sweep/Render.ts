import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { shortNames, valueText } from "../../sweep/report/names.ts"
import { cut } from "../live/Table.ts"
import { duration, paint, table } from "../Output.ts"

const scoreText = (value: number | null): string => (value === null ? "" : String(Number(value.toPrecision(4))))

const objectiveText = ({ objective, replicates, sd }: SweepTrial): string => {
  if (objective === null) return ""
  const seeds = replicates.filter((one) => one.objective !== null).length
  return sd === null ? scoreText(objective) : `${scoreText(objective)} ± ${Number(sd.toPrecision(2))} (${seeds} seeds)`
}

const marks: Readonly<Record<SweepTrial["state"], string>> = {
  complete: "",
  stopped: "stopped",
  failed: "failed",
  unfinished: "unfinished"
}

const stateText = (trial: SweepTrial): string => {
  const last = trial.rungs.at(-1)
  if (trial.state === "failed") return paint("red", cut(`failed: ${trial.error?.message.split("\n")[0] ?? ""}`, 90))
  if (trial.state === "stopped" && last !== undefined)
    return paint("dim", `stopped at ${last.resource}: ${scoreText(last.value)}`)
  return paint("dim", marks[trial.state])
}

const trialRows = (sweep: SweepJson): ReadonlyArray<ReadonlyArray<string>> => {
  const paths = sweep.params.filter(({ differs }) => differs).map(({ path }) => path)
  const metric = sweep.objective.metric.slice(sweep.objective.metric.indexOf(".") + 1)
  const head = ["", "trial", ...shortNames(paths), metric, "took", ""].map((cell) => paint("dim", cell))
  const rows = sweep.trials.map((trial) => {
    const cells = [
      trial.rank === null ? "" : String(trial.rank),
      `${trial.number}  ${trial.id.slice(0, 6)}`,
      ...paths.map((path) => valueText(trial.params[path])),
      objectiveText(trial),
      trial.seconds === 0 ? "" : duration(trial.seconds),
      stateText(trial)
    ]
    return trial.id === sweep.best ? cells.map((cell) => paint("bold", cell)) : cells
  })
  return [head, ...rows]
}

/** The winner and the base on test rows. */
const testLines = ({ base, best, test, trials }: SweepJson): ReadonlyArray<string> => {
  if (test === null) return []
  const names = Object.keys(test.best).filter((name) => base === null || base.test[name] !== undefined)
  const shown = [...new Set([...(test.metric === null ? [] : [test.metric]), ...names])].slice(0, 4)
  const winner = trials.find(({ id }) => id === best)
  const row = (title: string, scores: Readonly<Record<string, number>>) => [
    title,
    ...shown.map((name) => scoreText(scores[name] ?? null))
  ]
  const how = base?.how === null || base === null ? "" : ` (${base.how})`
  return [
    "",
    `on the test rows, which only these two have seen (${test.steps.join(", ")}):`,
    table(
      [
        ["", ...shown].map((cell) => paint("dim", cell)),
        row(`trial ${winner?.number ?? ""}, the winner`, test.best).map((cell) => paint("bold", cell)),
        ...(base === null ? [] : [row(`the base${how}`, base.test)])
      ],
      ["left", ...shown.map(() => "right" as const)]
    )
  ]
}

const percent = (share: number): string => `${Math.round(100 * share)} %`

/** Which params mattered, and how far to believe it. */
const importanceLines = ({ importance }: SweepJson): ReadonlyArray<string> => {
  if (importance === undefined) return []
  const { interactions, of, params, words } = importance
  if (params.length === 0) return ["", `importance of params: ${words}`]
  const names = shortNames(params.flatMap(({ paths }) => paths))
  let at = 0
  const rows = params.map(({ chance, paths, share }) => [
    paths.map(() => names[at++]!).join(" + "),
    share > chance ? percent(share) : paint("dim", percent(share)),
    paint("dim", percent(chance))
  ])
  return [
    "",
    `importance of params: of the variance of ${of}, the share that each makes alone`,
    table([["", "share", "by chance"].map((cell) => paint("dim", cell)), ...rows], ["left", "right", "right"]),
    ...(interactions < 0.005 ? [] : [`${percent(interactions)} is made by params together`]),
    paint("dim", words)
  ]
}

/** The result of a sweep: the ranked table with what differs, the test rows, and what to know before believing it. */
export const renderSweep = (sweep: SweepJson): string => {
  const count = (state: SweepTrial["state"]) => sweep.trials.filter((trial) => trial.state === state).length
  const counts = [
    `${sweep.trials.length} trials`,
    ...(["complete", "stopped", "failed", "unfinished"] as const).flatMap((state) =>
      count(state) > 0 ? [`${count(state)} ${state}`] : []
    )
  ]
  const { distinct_steps, steps, trial_seconds, wall_seconds } = sweep.cost
  return [
    table(trialRows(sweep)),
    ...testLines(sweep),
    ...importanceLines(sweep),
    "",
    ...sweep.warnings.map((warning) => paint("yellow", warning)),
    `${counts.join(", ")}; ${steps} steps, ${distinct_steps} distinct; ${duration(trial_seconds)} of work, ${duration(wall_seconds)} now; ended: ${sweep.ended}`
  ].join("\n")
}
