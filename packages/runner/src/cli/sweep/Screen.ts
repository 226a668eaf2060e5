import { rankedTrials, type SweepState, type Trial } from "../../sweep/State.ts"
import { decisionLine } from "../../sweep/result.ts"
import { shortNames, valueText } from "../../sweep/report/names.ts"
import type { Told } from "../../sweep/Workshop.ts"
import { cut } from "../live/Table.ts"
import { duration, paint, print, table } from "../Output.ts"
import type { SweepScreen } from "./Execute.ts"

export interface OpenScreen extends SweepScreen {
  readonly close: () => void
}

export const silent: OpenScreen = { begin: () => {}, say: () => {}, close: () => {} }

const paramsText = (trial: Trial): string => {
  const paths = Object.keys(trial.params)
  const names = shortNames(paths)
  return paths.map((path, at) => `${names[at]} ${valueText(trial.params[path])}`).join(", ")
}

const target = (state: SweepState, trial: Trial, until: number | null, replicate: number): string => {
  if (replicate > 0) return `replicate ${replicate}`
  return until === null
    ? trial.ladder.length > 0
      ? "to the end"
      : ""
    : `to ${state.sweep.prune!.resource.name} ${until}`
}

/** A line for what a reader of a log wants to know of each trial. */
const lineOf = (what: Told, state: SweepState): string => {
  const name = `trial ${what.trial.number + 1}`
  if (what.what === "decided") return decisionLine(state, what.decision)
  if (what.what === "test") return `${name} is the winner: its pipeline runs to the end`
  if (what.what === "waits") return `${name} ${what.line}`
  const { piece, trial } = what
  const where = target(state, trial, piece.until, piece.replicate)
  if (what.what === "started") return `${name}${where === "" ? "" : ` ${where}`}: ${paramsText(trial)}`
  const took = duration(what.seconds)
  if (what.end.state === "failed") return `${name}: failed after ${took}: ${what.end.failure.message}`
  if (what.end.state === "missing")
    return `${name}${where === "" ? "" : ` ${where}`}: stopped after ${took}, since ${state.ended}; the next run goes on from its last checkpoint`
  return `${name}${where === "" ? "" : ` ${where}`}: done in ${took}`
}

const plainScreen = (): OpenScreen => ({
  begin: () => {},
  say: (what, state) => print(lineOf(what, state)),
  close: () => {}
})

const short = (value: number) => String(Number(value.toPrecision(4)))

/** Of rows and steps how many; of bytes what share. */
const doneOf = (done: number, total: number): string =>
  total < 1e6 ? `${done}/${total}` : `${Math.floor((100 * done) / total)} %`

const liveRow = (state: SweepState, trial: Trial, paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const doing = [...trial.doing.values()][0]
  const last = trial.reached.at(-1)
  const rung = last === undefined ? "" : `${state.sweep.prune!.resource.name} ${last.resource}: ${short(last.value)}`
  const words =
    doing === undefined
      ? trial.state === "going"
        ? "waits"
        : trial.state === "failed"
          ? paint("red", `failed: ${trial.failure?.message.split("\n")[0] ?? ""}`)
          : trial.state
      : paint(
          "cyan",
          [
            doing.step,
            doing.total === null ? "" : doneOf(doing.done, doing.total),
            ...Object.entries(doing.values).map(([name, n]) => `${name} ${short(n)}`)
          ]
            .filter((part) => part !== "")
            .join("  ")
        )
  return [
    String(trial.number + 1),
    ...paths.map((path) => valueText(trial.params[path])),
    rung,
    trial.objective === null ? "" : short(trial.objective),
    words
  ]
}

/** Trials that are worth a line: what runs, then the best, then the latest. */
const shown = (state: SweepState, lines: number): ReadonlyArray<Trial> => {
  const running = state.trials.filter(({ doing }) => doing.size > 0)
  const rest = [...rankedTrials(state), ...[...state.trials].reverse()]
  return [...new Set([...running, ...rest])].slice(0, Math.max(3, lines))
}

/** Stretches of work that a trial takes on average: of each rung, the share of the trials that the pruning lets go on from it. */
const stretches = ({ prune }: SweepState["sweep"]): number =>
  prune === null
    ? 1
    : [...prune.rungs, 0].reduce((sum, _, at) => sum + (prune.method === "asha" ? prune.keep : 0.5) ** at, 0)

/** Seconds left at the mean pace of the stretches that ended in this call; undefined before there is one. */
const secondsLeft = (state: SweepState, now: number): number | undefined => {
  const most = state.sweep.search.max_trials
  const since = new Date(state.startedAt).toISOString()
  const ended = state.trials.flatMap(({ work }) => work.filter(({ started_at }) => started_at >= since)).length
  if (most === null || ended === 0 || state.phase !== "search") return undefined
  const came = state.trials.reduce(
    (sum, { reached, state: of }) => sum + reached.length + (of === "complete" ? 1 : 0),
    0
  )
  return (Math.max(0, most * stretches(state.sweep) - came) * (now - state.startedAt)) / 1000 / ended
}

/** "best so far 0.861 (trial 3)", or before a trial has come to its end, that at the highest rung. */
const bestText = (state: SweepState): ReadonlyArray<string> => {
  const best = rankedTrials(state)[0]
  if (best !== undefined) return [`best so far ${short(best.objective!)} (trial ${best.number + 1})`]
  const { prune } = state.sweep
  if (prune === null) return []
  const sign = prune.metric.goal === "maximize" ? -1 : 1
  const [first] = state.trials
    .flatMap(({ number, reached }) => reached.slice(-1).map((at) => ({ ...at, number })))
    .sort((a, b) => b.resource - a.resource || sign * (a.value - b.value))
  return first === undefined
    ? []
    : [`best so far ${short(first.value)} at ${prune.resource.name} ${first.resource} (trial ${first.number + 1})`]
}

const renderLive = (state: SweepState, now: number, width: number, height: number): string => {
  const differing = state.sweep.space.params.map(({ path }) => path)
  const paths = [...new Set([...differing, ...state.trials.flatMap(({ params }) => Object.keys(params))])]
  const most = state.sweep.search.max_trials
  const left = secondsLeft(state, now)
  const ended = state.trials.filter(({ state: of }) => of !== "going").length
  const head = [
    `${ended}${most === null ? "" : ` of ${most}`} trials`,
    ...bestText(state),
    duration((now - state.startedAt) / 1000),
    ...(left === undefined ? [] : [`about ${duration(left)} left`]),
    ...(state.phase === "search"
      ? []
      : [state.phase === "test" ? "the winner's pipeline runs to the end" : "replicates"])
  ].join("; ")
  const titles = [
    "trial",
    ...shortNames(paths),
    "rung",
    state.sweep.objective.path.slice(state.sweep.objective.step.length + 1),
    ""
  ]
  const rows = shown(state, height - 4).map((trial) => liveRow(state, trial, paths))
  const text = `${table([titles.map((title) => paint("dim", title)), ...rows])}\n${head}`
  return text
    .split("\n")
    .map((line) => cut(line, width))
    .join("\n")
}

const redrawMillis = 150

const liveScreen = async (): Promise<OpenScreen> => {
  const { default: logUpdate } = await import("log-update")
  let state: SweepState | undefined
  const decisions: Array<string> = []
  const draw = () => {
    if (state === undefined) return
    const frame = renderLive(state, Date.now(), process.stdout.columns ?? 80, process.stdout.rows ?? 24)
    logUpdate(
      [...decisions.slice(-3).map((line) => paint("dim", cut(line, process.stdout.columns ?? 80))), frame].join("\n")
    )
  }
  const timer = setInterval(draw, redrawMillis)
  return {
    begin: (of) => void (state = of),
    say: (what, of) => void (what.what === "decided" && decisions.push(lineOf(what, of))),
    close: () => {
      clearInterval(timer)
      logUpdate.clear()
      logUpdate.done()
      for (const line of decisions) print(line)
    }
  }
}

/** Where a sweep is shown: a table that redraws itself on a terminal, lines in a log, nothing where JSON is wanted. */
export const openSweepScreen = async (json: boolean): Promise<OpenScreen> => {
  if (json) return silent
  return process.stdout.isTTY ? liveScreen() : plainScreen()
}
