import { appendFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fingerprint } from "@hone/core/Canonical"
import { Schema } from "effect"
import type { StoreFolder } from "../store/Folder.ts"
import { makeFolder } from "../store/Folder.ts"
import { fileInHome } from "../store/Runs.ts"

const Failure = Schema.Struct({
  step: Schema.String,
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String
})
export type TrialFailure = typeof Failure.Type

const Asked = Schema.Struct({
  what: Schema.Literal("asked"),
  /** Of everything that decides which trials are asked for. */
  search: Schema.String,
  /** From 0. */
  n: Schema.Int,
  params: Schema.Record(Schema.String, Schema.Unknown),
  by: Schema.String
})

const Worked = Schema.Struct({
  what: Schema.Literal("worked"),
  trial: Schema.String,
  until: Schema.NullOr(Schema.Finite),
  replicate: Schema.Int,
  slot: Schema.Int,
  started_at: Schema.String,
  seconds: Schema.Finite,
  /** Of it, in stages that computed with tensors. */
  device_seconds: Schema.Finite,
  /** What it failed by, and the key of the stage that did: under another key it may not. */
  failure: Schema.NullOr(Schema.Struct({ ...Failure.fields, key: Schema.NullOr(Schema.String) }))
})
export type Worked = typeof Worked.Type

const Entry = Schema.Union([Asked, Worked])
export type LogEntry = typeof Entry.Type

const decode = Schema.decodeUnknownOption(Entry)

const parsed = (line: string): LogEntry | undefined => {
  try {
    const entry = decode(JSON.parse(line))
    return entry._tag === "Some" ? entry.value : undefined
  } catch {
    return undefined
  }
}

/** What happened to the trials of one file, in order, whichever calls it took. Results are in the store: this tells the rest. */
export interface TrialLog {
  readonly path: string
  readonly entries: ReadonlyArray<LogEntry>
  readonly append: (entry: LogEntry) => void
}

/** @param file the sweep's or pipeline's file: its place in the home names the log, so that it survives edits */
export const openLog = (folder: StoreFolder, file: string): TrialLog => {
  const path = join(
    folder.root,
    "sweeps",
    `${fingerprint("hone-sweep-log/1", fileInHome(folder, file)).slice(0, 24)}.jsonl`
  )
  let text = ""
  try {
    text = readFileSync(path, "utf8")
  } catch {
    // The first time.
  }
  // A kill leaves half a line at most, at the end: it is passed over, and the next line must not hang on it.
  const whole = text.slice(0, text.lastIndexOf("\n") + 1)
  const entries = whole.split("\n").flatMap((line) => (line === "" ? [] : (parsed(line) ?? [])))
  let isTorn = whole.length < text.length
  return {
    path,
    entries,
    append: (entry) => {
      makeFolder(join(folder.root, "sweeps"))
      appendFileSync(path, `${isTorn ? "\n" : ""}${JSON.stringify(entry)}\n`)
      isTorn = false
      entries.push(entry)
    }
  }
}
