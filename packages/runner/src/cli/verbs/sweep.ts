import type { SweepOption } from "@hone/core/sweep/SweepText"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { print, printJson } from "../Output.ts"
import { executeSweep } from "../sweep/Execute.ts"
import { loadSweep } from "../sweep/Load.ts"
import { renderSweep } from "../sweep/Render.ts"
import { openSweepScreen, silent } from "../sweep/Screen.ts"

const flags = {
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

const runVerb = Command.make(
  "run",
  flags,
  Effect.fn("hone sweep run")(function* ({ file, json, set, ...asked }) {
    const loaded = yield* loadSweep({ file, sets: set, options: optionsOf(asked), json })
    const result = yield* Effect.acquireUseRelease(
      Effect.promise(() => openSweepScreen(json)),
      (screen) => executeSweep(loaded, "run", screen),
      (screen) => Effect.sync(() => screen.close())
    )
    if (json) printJson(result)
    else print(renderSweep(result))
    if (result.best === null) return yield* new Exit({ code: 1 })
  })
).pipe(Command.withDescription("Run a sweep: what its trials have in common runs once, and what is there not at all"))

const showVerb = Command.make(
  "show",
  flags,
  Effect.fn("hone sweep show")(function* ({ file, json, set, ...asked }) {
    const loaded = yield* loadSweep({ file, sets: set, options: optionsOf(asked), json })
    const result = yield* executeSweep(loaded, "look", silent)
    if (json) printJson(result)
    else print(renderSweep(result))
  })
).pipe(Command.withDescription("Show what there is of a sweep, and run nothing"))

export const sweepVerb = Command.make("sweep").pipe(
  Command.withDescription("Search params of a pipeline: trials that share their work"),
  Command.withSubcommands([runVerb, showVerb])
)
