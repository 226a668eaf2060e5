import { appendFileSync, readFileSync } from "node:fs"
import { Schema } from "effect"
import type { StoreFolder } from "../store/Folder.ts"
import { makeFolder } from "../store/Folder.ts"
import { fileInHome } from "../store/Runs.ts"
import { readUses, sweepLogPath, useLine } from "../store/SweepUse.ts"

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
  /** Notes keys of results that gc shall leave: each once, whichever calls it takes. */
  readonly use: (keys: ReadonlyArray<string>) => void
}

/** @param file the sweep's or pipeline's file */
export const openLog = (folder: StoreFolder, file: string): TrialLog => {
  const path = sweepLogPath(folder, file)
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
  const used = new Set(readUses(whole).uses.flatMap(({ keys }) => keys))
  const write = (line: string) => {
    makeFolder(folder.sweeps)
    appendFileSync(path, `${isTorn ? "\n" : ""}${line}`)
    isTorn = false
  }
  return {
    path,
    entries,
    append: (entry) => {
      write(`${JSON.stringify(entry)}\n`)
      entries.push(entry)
    },
    use: (keys) => {
      const fresh = [...new Set(keys)].filter((key) => !used.has(key))
      if (fresh.length === 0) return
      try {
        write(useLine({ file: fileInHome(folder, file), keys: fresh }))
        for (const key of fresh) used.add(key)
      } catch {
        // The results are what counts: gc keeps young ones anyway, and the next run of the sweep notes them.
      }
    }
  }
}
