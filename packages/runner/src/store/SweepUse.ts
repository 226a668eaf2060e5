import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fingerprint } from "@hone/core/Canonical"
import { seal, unseal } from "@hone/core/Sealed"
import type { StoreFolder } from "./Folder.ts"
import { fileInHome } from "./Runs.ts"
import { namesIn } from "./Scan.ts"

/** A line in the log of a sweep: results of its trials, which gc leaves as long as the log stands. */
interface Use {
  /** The sweep's file, relative to the folder that holds `.hone`. */
  readonly file: string
  readonly keys: ReadonlyArray<string>
}

export const useLine = (use: Use): string => seal("used", use)

/** @param file the sweep's or pipeline's file: its place in the home names the log, so that it survives edits */
export const sweepLogPath = (folder: StoreFolder, file: string): string =>
  join(folder.sweeps, `${fingerprint("hone-sweep-log/1", fileInHome(folder, file)).slice(0, 24)}.jsonl`)

const isEntry = (line: string): boolean => {
  try {
    return typeof (JSON.parse(line) as { readonly what?: unknown } | null)?.what === "string"
  } catch {
    return false
  }
}

/** What the text of a log notes as used, and its damaged lines, from 1. A line that breaks off is what a kill leaves, and is passed over. */
export const readUses = (text: string) => {
  const uses: Array<Use> = []
  const damaged: Array<number> = []
  for (const [at, line] of text.split("\n").entries()) {
    const use = unseal<Use>("used", line)
    if (use !== undefined) uses.push(use)
    else if (line.endsWith("}") && !isEntry(line)) damaged.push(at + 1)
  }
  return { uses, damaged }
}

/** The keys that a sweep holds; not all need have a result, where trials failed. */
interface SweepUse {
  readonly file: string
  readonly keys: ReadonlySet<string>
}

/** What the sweeps of a store hold. `damaged` are the lines, as PATH:LINE, that cannot say it any more. */
export const readSweepUse = (folder: StoreFolder) => {
  const sweeps: Array<SweepUse> = []
  const damaged: Array<string> = []
  for (const name of namesIn(folder.sweeps).filter((name) => name.endsWith(".jsonl"))) {
    const path = join(folder.sweeps, name)
    const log = readUses(readFileSync(path, "utf8"))
    damaged.push(...log.damaged.map((line) => `${path}:${line}`))
    // Logs from before uses were noted name no file, and hold nothing.
    const file = log.uses[0]?.file
    if (file !== undefined) sweeps.push({ file, keys: new Set(log.uses.flatMap(({ keys }) => keys)) })
  }
  return { sweeps, damaged }
}
