import { createHash } from "node:crypto"
import { join } from "node:path"
import { Clock, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import type { Audit, Cached } from "../../schedule/Check.ts"
import { audit, cachedStages } from "../../schedule/Check.ts"
import { tellDifference } from "../../schedule/Drift.ts"
import * as Workers from "../../worker/Workers.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { loadPlan } from "../Load.ts"
import { paint, print, printJson } from "../Output.ts"
import { bundleFolder } from "../Places.ts"
import { refuse } from "../StepResult.ts"

const shareOf = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)(%?)$/u.exec(text)
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1)
  return share > 0 && share <= 1 ? share : Number.NaN
}

/** A sample that another day's draw would not repeat: over time every stage is looked at. At least one. */
const sample = (stages: ReadonlyArray<Cached>, share: number, day: string): ReadonlyArray<Cached> => {
  const rank = ({ record }: Cached) => createHash("sha256").update(`${day}\0${record.key}`).digest("hex")
  const ranked = [...stages].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  const chosen = new Set(ranked.slice(0, Math.max(1, Math.round(share * stages.length))))
  return stages.filter((stage) => chosen.has(stage))
}

const line = ({ difference, stage, step, verdict }: Audit): string => {
  const name = `${step}${stage === step ? "" : ` (${stage})`}`
  if (difference === undefined) return `${paint("green", verdict)}  ${name}`
  return `${paint("red", verdict)} ${name}: ${tellDifference(difference)}`
}

export const rerunVerb = Command.make(
  "rerun",
  {
    file: Flags.file,
    check: Flag.String("check").pipe(
      Flag.withDescription("the share of cached stages to make again, 20% or 0.2"),
      Flag.withDefault("100%")
    ),
    set: Flags.set,
    json: Flags.json
  },
  Effect.fn("hone rerun")(function* ({ check, file, json, set }) {
    const share = shareOf(check)
    if (Number.isNaN(share)) {
      return yield* refuse(2, { message: `--check ${check} is no share`, hint: "write 20%, say, or 0.2" }, json)
    }
    const { folder, layer, planned, prepared } = yield* loadPlan({ file, sets: set, json })
    const cached = cachedStages(prepared, planned)
    if (cached.length === 0) {
      const hint = `\`hone run ${file}\` makes something to check`
      return yield* refuse(1, { message: "nothing of this pipeline is cached", hint }, json)
    }
    const day = new Date(yield* Clock.currentTimeMillis).toISOString().slice(0, 10)
    const audits: Array<Audit> = []
    yield* Effect.forEach(sample(cached, share, day), (one) =>
      Effect.map(audit(folder, prepared, cached, one), (found) => {
        audits.push(found)
        if (!json) print(line(found))
      })
    ).pipe(
      Effect.provide(Layer.merge(layer, Workers.layer(join(bundleFolder(), "worker.mjs")))),
      Effect.scoped,
      Effect.catchTag("EngineMissing", Effect.die),
      Effect.catchTag("StageFailed", ({ hint, message }) => refuse(1, { message, hint }, json))
    )
    const drifted = audits.filter(({ verdict }) => verdict === "drift").length
    if (json) printJson({ checked: audits, cached: cached.length })
    else
      print(
        `\n${audits.length} of ${cached.length} cached stages made again: ${drifted === 0 ? "all came out the same" : `${drifted} came out otherwise`}`
      )
    if (drifted > 0) return yield* new Exit({ code: 1 })
  })
).pipe(
  Command.withDescription("Make cached results again and hold them against the store: what is not deterministic shows")
)
