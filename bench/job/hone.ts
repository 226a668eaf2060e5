import { spawn } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { RunEvent, ShowJson } from "@hone/core/Contract"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { root } from "../machine.ts"

/** A folder with an empty store of its own. */
export interface Workplace {
  readonly folder: string
  readonly pipeline: string
}

/** A copy of a shipped pipeline where no store is. `hone.yaml` marks the folder as the store's home. */
export const workplace = (name: string): Workplace => {
  const folder = mkdtempSync(join(tmpdir(), "hone-bench-"))
  writeFileSync(join(folder, "hone.yaml"), "")
  mkdirSync(join(folder, "pipelines"))
  const pipeline = join(folder, "pipelines", name)
  copyFileSync(join(root, "pipelines", name), pipeline)
  return { folder, pipeline }
}

/** Runs `hone`, line by line of its standard output; stderr is shown. Throws where it fails, with its last lines. */
export const hone = (args: ReadonlyArray<string>, onLine: (line: string) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(join(root, "hone"), [...args], { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
    const last: Array<string> = []
    createInterface({ input: child.stdout }).on("line", (line) => {
      last.push(line)
      if (last.length > 5) last.shift()
      onLine(line)
    })
    child.once("error", reject)
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`hone ${args.join(" ")} ended with code ${code}\n${last.join("\n")}`))
    )
  })

export interface TimedRun {
  readonly seconds: number
  readonly end: Extract<RunEvent, { event: "end" }>
}

/** `hone run --json`, by the clock of the caller: from the start of the command to its end. */
export const timedRun = async ({ pipeline }: Workplace, sets: ReadonlyArray<string>): Promise<TimedRun> => {
  let end: RunEvent | undefined
  const start = performance.now()
  await hone(["run", pipeline, "--json", ...sets], (line) => void (end = JSON.parse(line) as RunEvent))
  const seconds = (performance.now() - start) / 1000
  if (end?.event !== "end" || !end.ok) throw new Error(`the run did not end well: ${JSON.stringify(end)}`)
  return { seconds, end }
}

/** What the store knows of each stage that ran, by `finished_at`. */
export const records = ({ folder }: Workplace): ReadonlyArray<ActionRecord> => {
  const ac = join(folder, ".hone", "ac")
  const read = (name: string) => JSON.parse(readFileSync(join(ac, name), "utf8")) as { readonly record: ActionRecord }
  return readdirSync(ac)
    .map((name) => read(name).record)
    .sort((a, b) => (a.finished_at < b.finished_at ? -1 : 1))
}

/** `hone show --json` of a step. */
export const show = async ({ pipeline }: Workplace, step: string, sets: ReadonlyArray<string>): Promise<ShowJson> => {
  const lines: Array<string> = []
  await hone(["show", pipeline, step, "--json", ...sets], (line) => lines.push(line))
  return JSON.parse(lines.join("\n")) as ShowJson
}
