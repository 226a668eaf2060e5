import type { SweepOption } from "@hone/core/sweep/SweepText"
import type { SweepJson } from "@hone/core/sweep/SweepJson"
import { existsSync, rmSync } from "node:fs"
import { relative } from "node:path"
import { attempt } from "@hone/steps/attempt"
import { Clock, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { homeOf, storeFolder } from "../../store/Folder.ts"
import { inUseNow } from "../../store/Live.ts"
import { sweepLogPath } from "../../store/SweepUse.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { kept } from "../live/Screen.ts"
import { print, printError, printJson } from "../Output.ts"
import { refuse, refusing } from "../StepResult.ts"
import { executeSweep } from "../sweep/Execute.ts"
import { type LoadedSweep, loadSweep } from "../sweep/Load.ts"
import { planSweep, renderSweepPlan } from "../sweep/Plan.ts"
import { renderSweep } from "../sweep/Render.ts"
import { openSweepScreen, silent } from "../sweep/Screen.ts"
import { type ReportFormat, reportFormats, writeReport } from "../../sweep/report/files.ts"

const searchFlags = {
  file: Flags.file,
  set: Flag.String("set").pipe(
    Flag.withDescription(
      "search a param, STEP.PARAM=log(1e-5,1e-3), choice(8,16), int(64,256,64), range(0,1) or expr(...); or set a plain value; may be repeated"
    ),
    Flag.atLeast(0)
  ),
  trials: Flag.Int("trials").pipe(Flag.withDescription("how many trials: search.max_trials"), Flag.optional),
  method: Flag.String("method").pipe(
    Flag.withDescription("grid, list, random, quasi_random or tpe: search.method"),
    Flag.optional
  ),
  objective: Flag.String("objective").pipe(
    Flag.withDescription("what is to become best, STEP.METRIC: objective.metric"),
    Flag.optional
  ),
  parallel: Flag.Int("parallel").pipe(
    Flag.withDescription("how many trials run side by side: search.parallel"),
    Flag.optional
  ),
  json: Flags.json
}

const flags = {
  ...searchFlags,
  html: Flag.String("html").pipe(
    Flag.withDescription("write the page of the sweep: one file with all its figures, FILE.html"),
    Flag.optional
  ),
  csv: Flag.String("csv").pipe(Flag.withDescription("write a row for each trial: FILE.csv"), Flag.optional),
  arrow: Flag.String("arrow").pipe(Flag.withDescription("the same as Arrow IPC: FILE.arrow"), Flag.optional)
}

type Asked = {
  readonly [K in "trials" | "method" | "objective" | "parallel"]:
    | { readonly _tag: "None" }
    | { readonly _tag: "Some"; readonly value: string | number }
}

const places = {
  trials: ["search", "max_trials"],
  method: ["search", "method"],
  objective: ["objective", "metric"],
  parallel: ["search", "parallel"]
} as const

const optionsOf = (asked: Asked): ReadonlyArray<SweepOption> =>
  (Object.keys(places) as ReadonlyArray<keyof typeof places>).flatMap((name) => {
    const option = asked[name]
    return option._tag === "None"
      ? []
      : [{ text: `--${name} ${option.value}`, path: places[name], value: option.value }]
  })

interface Report {
  readonly format: ReportFormat
  readonly path: string
}

type AskedReports = Readonly<Record<ReportFormat, Option.Option<string>>>

/** Where reports go. A name must end as its format does: what was meant otherwise is not written over. */
const reportsOf = Effect.fnUntraced(function* (asked: AskedReports, json: boolean) {
  const reports = reportFormats.flatMap((format): ReadonlyArray<Report> => {
    const path = asked[format]
    return Option.isNone(path) ? [] : [{ format, path: path.value }]
  })
  const wrong = reports.find(({ format, path }) => !path.toLowerCase().endsWith(`.${format}`))
  if (wrong === undefined) return reports
  const { format, path } = wrong
  const message = `--${format} ${path}: the name does not end in .${format}`
  return yield* refuse(2, { message, hint: `write --${format} ${path}.${format}` }, json)
})

/** Prints the result and writes what was asked for. */
const tell = Effect.fnUntraced(function* (result: SweepJson, reports: ReadonlyArray<Report>, json: boolean) {
  if (json) printJson(result)
  else print(renderSweep(result))
  for (const { format, path } of reports) {
    yield* refusing(json)(attempt(() => writeReport(format, path, result)))
    if (!json) print(`wrote ${path}`)
  }
})

const pageBeside = (log: string) => log.replace(/\.jsonl$/u, ".html")

/** The page of what has just run, beside its log. */
const keepPage = Effect.fnUntraced(function* ({ log }: LoadedSweep, result: SweepJson, json: boolean) {
  const path = pageBeside(log.path)
  // The results are what counts: a full disk must not turn a finished sweep into a failed one.
  const isKept = yield* attempt(() => writeReport("html", path, result)).pipe(Effect.isSuccess)
  if (isKept && !json) print(`page: ${relative("", path)}`)
})

const runVerb = Command.make(
  "run",
  flags,
  Effect.fn("hone sweep run")(function* ({ arrow, csv, file, html, json, set, ...asked }) {
    const reports = yield* reportsOf({ arrow, csv, html }, json)
    const loaded = yield* loadSweep({ file, sets: set, options: optionsOf(asked), json })
    const known = loaded.log.entries.length
    const result = yield* Effect.acquireUseRelease(
      Effect.promise(() => openSweepScreen(json)),
      (screen) => executeSweep(loaded, "run", screen),
      (screen) => Effect.sync(() => screen.close())
    ).pipe(Effect.onInterrupt(() => Effect.sync(() => printError(kept))))
    yield* tell(result, reports, json)
    if (loaded.log.entries.length > known) yield* keepPage(loaded, result, json)
    if (result.best === null) return yield* new Exit({ code: 1 })
  })
).pipe(Command.withDescription("Run a sweep: what its trials have in common runs once, and what is there not at all"))

const showVerb = Command.make(
  "show",
  flags,
  Effect.fn("hone sweep show")(function* ({ arrow, csv, file, html, json, set, ...asked }) {
    const reports = yield* reportsOf({ arrow, csv, html }, json)
    const loaded = yield* loadSweep({ file, sets: set, options: optionsOf(asked), json })
    yield* tell(yield* executeSweep(loaded, "look", silent), reports, json)
  })
).pipe(Command.withDescription("Show what there is of a sweep, and run nothing"))

const planVerb = Command.make(
  "plan",
  searchFlags,
  Effect.fn("hone sweep plan")(function* ({ file, json, set, ...asked }) {
    const loaded = yield* loadSweep({ file, sets: set, options: optionsOf(asked), json })
    const planned = yield* planSweep(loaded).pipe(
      Effect.provide(loaded.services),
      Effect.catchTag("EngineMissing", Effect.die) // loading the sweep has met it already
    )
    if (json) printJson(planned)
    else print(renderSweepPlan(planned, loaded))
  })
).pipe(Command.withDescription("Say what a sweep would run, what its trials share, and how long it may take"))

const forgetVerb = Command.make(
  "forget",
  { file: Flags.file, json: Flags.json },
  Effect.fn("hone sweep forget")(function* ({ file, json }) {
    const folder = storeFolder(homeOf(file))
    const path = sweepLogPath(folder, file)
    if (!existsSync(path))
      return yield* refuse(1, { message: `no sweep of ${file} has run`, hint: "`hone gc` lists the sweeps" }, json)
    if (inUseNow(folder, yield* Clock.currentTimeMillis).isAny)
      return yield* refuse(1, { message: "a run is under way", hint: "forget the sweep when it has ended" }, json)
    yield* refusing(json)(
      attempt(() => {
        for (const one of [pageBeside(path), path]) rmSync(one, { force: true })
      })
    )
    if (json) printJson({ forgotten: file })
    else print(`forgot the sweep of ${file}: what only its trials used, \`hone gc\` now lists`)
  })
).pipe(Command.withDescription("Forget what a sweep asked for and its page; gc holds its results no longer"))

export const sweepVerb = Command.make("sweep").pipe(
  Command.withDescription("Search params of a pipeline: trials that share their work"),
  Command.withSubcommands([planVerb, runVerb, showVerb, forgetVerb])
)
