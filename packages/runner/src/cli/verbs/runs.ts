import type { RunRecord } from "@hone/core/record/RunRecord"
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { readRecord } from "../../store/Records.ts"
import { fileInHome, readRuns } from "../../store/Runs.ts"
import { homeOf, storeFolder } from "../../store/Folder.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { duration, paint, print, printError, printJson, table } from "../Output.ts"
import { differenceOfRuns, renderRunDifference } from "../RunDifference.ts"

const shownRuns = 20

const list = (runs: ReadonlyArray<RunRecord>): string => {
  const rows = runs.slice(0, shownRuns).map((run) => {
    const ran = run.steps.filter((step) => step.outcome === "ran").map((step) => step.name)
    return [
      run.id,
      run.ok ? run.ended : paint("red", run.ended),
      duration(run.seconds),
      ran.length === 0 ? paint("dim", "nothing ran") : ran.join(", "),
      paint("dim", run.sets.join(" "))
    ]
  })
  const more = runs.length > shownRuns ? `\n... and ${runs.length - shownRuns} older` : ""
  return `${table([["run", "ended", "took", "ran", ""], ...rows])}${more}`
}

const one = (run: RunRecord): string =>
  [
    `${run.id}  ${run.pipeline}  ${run.ended} in ${duration(run.seconds)}  ${run.sets.map((set) => `--set ${set}`).join(" ")}`.trimEnd(),
    table(
      run.steps.map((step) => [
        step.name,
        paint("dim", step.kind),
        step.outcome,
        step.seconds > 0 ? duration(step.seconds) : "",
        paint("dim", step.reason)
      ])
    )
  ].join("\n")

export const runsVerb = Command.make(
  "runs",
  {
    file: Flags.file,
    run: Argument.String("run").pipe(
      Argument.withDescription("the id of one run, or how it begins"),
      Argument.optional
    ),
    other: Argument.String("other").pipe(
      Argument.withDescription("another run: only what the two have otherwise is shown"),
      Argument.optional
    ),
    json: Flags.json
  },
  Effect.fn("hone runs")(function* ({ file, json, other, run: wanted }) {
    const folder = storeFolder(homeOf(file))
    const runs = readRuns(folder).filter((run) => run.file === fileInHome(folder, file))
    const called = (id: string) =>
      Effect.suspend(() => {
        const run = runs.find((candidate) => candidate.id.startsWith(id))
        if (run !== undefined) return Effect.succeed(run)
        printError(`no run of ${file} is called ${id}\n  \`hone runs ${file}\` lists them`)
        return Effect.fail(new Exit({ code: 2 }))
      })
    if (wanted._tag === "Some") {
      const run = yield* called(wanted.value)
      if (other._tag === "None") return json ? printJson(run) : print(one(run))
      const second = yield* called(other.value)
      const difference = differenceOfRuns(run, second, (key) => readRecord(folder, key))
      return json
        ? printJson({ runs: [run.id, second.id], ...difference })
        : print(renderRunDifference(run, second, difference))
    }
    if (json) return printJson({ runs })
    print(runs.length === 0 ? `${file} has not been run here` : list(runs))
  })
).pipe(Command.withDescription("List the runs of a pipeline, show one, or what two have otherwise"))
