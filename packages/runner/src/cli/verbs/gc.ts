import { Clock, Effect } from "effect"
import { Argument, Command, Flag, Prompt } from "effect/cli"
import type { GcPlan } from "../../store/Gc.ts"
import { collect, planGc } from "../../store/Gc.ts"
import * as Flags from "../Flags.ts"
import { bytes, duration, paint, print, printJson, table } from "../Output.ts"
import { refuse } from "../StepResult.ts"
import { storeOf } from "./verify.ts"

const shown = 12

const sum = (items: ReadonlyArray<{ readonly bytes: number }>) => items.reduce((total, item) => total + item.bytes, 0)

const total = (gc: GcPlan) => sum(gc.results) + sum(gc.orphans) + sum(gc.checkpoints)

const render = (gc: GcPlan): string => {
  const rows = gc.results
    .slice(0, shown)
    .map(({ bytes: size, record, seconds }) => [
      record.preimage.step.kind,
      paint("dim", record.finished_at.slice(0, 16).replace("T", " ")),
      bytes(size),
      `${duration(seconds)} to make again`
    ])
  const out = rows.length === 0 ? [] : [table(rows, ["left", "left", "right", "left"])]
  if (gc.results.length > shown) out.push(`... and ${gc.results.length - shown} more results`)
  if (gc.orphans.length > 0) out.push(`${gc.orphans.length} files that no record names, ${bytes(sum(gc.orphans))}`)
  if (gc.checkpoints.length > 0)
    out.push(`checkpoints of ${gc.checkpoints.length} trainings, ${bytes(sum(gc.checkpoints))}`)
  for (const line of heldLines(gc)) out.push(line)
  const cost = gc.results.reduce((seconds, item) => seconds + item.seconds, 0)
  out.push(
    `frees ${bytes(total(gc))}; to make it all again would take ${duration(cost)}. Stays: ${gc.kept.results} results, ${bytes(gc.kept.bytes)}`
  )
  return out.join("\n")
}

/** What stays because somebody asked for it, and how it is let go. */
const heldLines = (gc: GcPlan): ReadonlyArray<string> => [
  ...gc.pins.map(
    ({ file, keys, pinned_at, sets, step }) =>
      `pinned: ${[file, step, ...sets.map((set) => `--set ${set}`)].filter((part) => part !== undefined).join(" ")} (${keys.length} results, since ${pinned_at.slice(0, 10)})`
  ),
  ...gc.sweeps.map(({ file, results }) => `sweep: ${file} (${results} results, until \`hone sweep forget ${file}\`)`)
]

const json = (gc: GcPlan) => ({
  results: gc.results.map(({ bytes: size, record, seconds }) => ({
    key: record.key,
    kind: record.preimage.step.kind,
    bytes: size,
    seconds
  })),
  orphans: gc.orphans.map(({ bytes: size, path }) => ({ path, bytes: size })),
  checkpoints: gc.checkpoints.map(({ bytes: size, path }) => ({ path, bytes: size })),
  pins: gc.pins,
  sweeps: gc.sweeps,
  bytes: total(gc),
  kept: gc.kept
})

export const gcVerb = Command.make(
  "gc",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("a pipeline whose store is meant; the one here by default"),
      Argument.optional
    ),
    yes: Flag.Boolean("yes").pipe(Flag.withDescription("delete without asking"), Flag.withDefault(false)),
    json: Flags.json
  },
  Effect.fn("hone gc")(function* ({ file, json: asJson, yes }) {
    const folder = storeOf(file._tag === "Some" ? file.value : undefined)
    const gc = planGc(folder, yield* Clock.currentTimeMillis)
    if (gc.unknown.length > 0) {
      const hint =
        "run its pipeline again, or pin again; or delete the file (of a sweep's log, the line), if what it kept may go"
      return yield* refuse(
        1,
        { message: `nobody knows what may go: damaged is ${gc.unknown.join(", ")}`, hint },
        asJson
      )
    }
    if (asJson) printJson(json(gc))
    else
      print(
        total(gc) === 0 && gc.results.length === 0
          ? ["nothing to free: every result was used when its pipeline last ran, or by a sweep", ...heldLines(gc)].join(
              "\n"
            )
          : render(gc)
      )
    if (total(gc) === 0 && gc.results.length === 0) return
    const go =
      yes ||
      (!asJson &&
        process.stdin.isTTY &&
        process.stdout.isTTY &&
        (yield* Prompt.run(Prompt.Confirm({ message: "delete them?", initial: false }))))
    if (!go) return asJson ? undefined : print("nothing was deleted; --yes deletes without asking")
    const freed = collect(folder, gc, yield* Clock.currentTimeMillis)
    if (!asJson) print(`freed ${bytes(freed)}`)
  })
).pipe(
  Command.withDescription(
    "Say what results no pipeline uses any more and what they would cost to make again; delete them on a yes"
  )
)
