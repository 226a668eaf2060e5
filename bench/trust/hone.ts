import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { createInterface } from "node:readline"
import type { PlanJson, RunEvent } from "@hone/core/Contract"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { tinyJob, writeTinyJob } from "../../test/support/tinyJob.ts"
import { root } from "../machine.ts"
import type { Experiment, Verdict } from "./experiments.ts"

const rows = (count: number, word: string): string =>
  ["text,label", ...Array.from({ length: count }, (_, row) => `${word} ${row},${row % 2 === 0 ? "good" : "bad"}`)].join(
    "\n"
  )

const pipeline = `name: trust
steps:
  first:  { uses: ingest, with: { source: in.csv, task: text-classification, columns: { text: text, label: label } } }
  second: { uses: split, in: { rows: first }, with: { test: 0.5 } }
`

interface Ran {
  readonly code: number | null
  readonly said: string
  readonly events: ReadonlyArray<RunEvent>
}

/** A folder with a pipeline of two steps and a store. */
class Trial {
  readonly folder: string
  readonly #base: string

  constructor(base: string, text: string = pipeline) {
    this.#base = base
    this.folder = mkdtempSync(join(base, "hone-"))
    writeFileSync(join(this.folder, "hone.yaml"), "")
    this.pipeline(text)
  }

  pipeline(text: string): void {
    writeFileSync(join(this.folder, "p.yaml"), text)
  }

  input(text: string): void {
    writeFileSync(join(this.folder, "in.csv"), text)
  }

  start(args: ReadonlyArray<string>, onEvent: (event: RunEvent) => void = () => {}, env: Record<string, string> = {}) {
    const child = spawn(join(root, "hone"), [...args], {
      cwd: this.folder,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    const events: Array<RunEvent> = []
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text))
    createInterface({ input: child.stdout }).on("line", (line) => {
      said += `${line}\n`
      if (!line.startsWith('{"event"')) return
      events.push(JSON.parse(line) as RunEvent)
      onEvent(events.at(-1)!)
    })
    const ended = new Promise<Ran>((resolve) => child.once("close", (code) => resolve({ code, said, events })))
    return { pid: child.pid!, ended }
  }

  run(...sets: ReadonlyArray<string>): Promise<Ran> {
    return this.start(["run", "p.yaml", "--json", ...sets]).ended
  }

  /** The contents of what the last step gave, as the store has them; `undefined` where the plan has no hit. */
  async contents(...sets: ReadonlyArray<string>): Promise<string | undefined> {
    const { said } = await this.start(["plan", "p.yaml", "--json", ...sets]).ended
    const { key, verdict } = (JSON.parse(said) as PlanJson).steps.at(-1)!
    if (verdict !== "hit" || key === null) return undefined
    const text = readFileSync(join(this.folder, ".hone", "ac", `${key}.json`), "utf8")
    const { outputs } = (JSON.parse(text) as { record: ActionRecord }).record
    return JSON.stringify(Object.entries(outputs).map(([name, { content }]) => [name, content]))
  }

  /** Whether what is served for what lies here is what an empty store gives. */
  async judge(...sets: ReadonlyArray<string>): Promise<Verdict> {
    const served = await this.contents(...sets)
    const fresh = new Trial(this.#base)
    await fresh.#likeThat(this)
    await fresh.run(...sets)
    const right = await fresh.contents(...sets)
    if (served !== undefined && served === right) return { how: "right", what: "" }
    return {
      how: "wrong",
      what: served === undefined ? "serves nothing" : "serves another result than an empty store gives"
    }
  }

  async #likeThat(other: Trial): Promise<void> {
    const { cpSync } = await import("node:fs")
    cpSync(other.folder, this.folder, { recursive: true, filter: (path) => !path.endsWith(".hone") })
  }

  /** Waits until no process stands in the folder. */
  async isQuiet(): Promise<void> {
    const standsHere = (name: string): boolean => {
      try {
        return /^\d+$/u.test(name) && readlinkSync(`/proc/${name}/cwd`) === this.folder
      } catch {
        return false
      }
    }
    while (readdirSync("/proc").some(standsHere)) await sleep(20)
  }
}

const many = 60_000

const edited: Experiment<undefined> = async (_, base) => {
  const early = new Trial(base)
  early.input(rows(many, "old"))
  await early.start(["run", "p.yaml", "--json"], ({ event }) => {
    if (event === "start") early.input(rows(many, "new"))
  }).ended
  early.input(rows(many, "old"))
  await early.run()
  const first = await early.judge()

  const late = new Trial(base)
  late.input(rows(many, "old"))
  await late.start(["run", "p.yaml", "--json"], (event) => {
    if (event.event === "progress" && event.step === "first" && event.done === event.total)
      late.input(rows(many, "new"))
  }).ended
  await late.run()
  return first.how === "wrong" ? first : late.judge()
}

const swapped: Experiment<undefined> = async (_, base) => {
  const job = tinyJob("epochs: 1").replace(/^ {2}after:.*$/mu, "")
  const trial = new Trial(base)
  writeTinyJob(trial.folder)
  trial.pipeline(job)
  await trial.run()
  trial.pipeline(
    job.replace("train: parts.train, validation: parts.validation", "train: parts.validation, validation: parts.train")
  )
  await trial.run()
  return trial.judge()
}

const tampered: Experiment<undefined> = async (_, base) => {
  const trial = new Trial(base)
  trial.input(rows(40, "old"))
  await trial.run()
  for (const entry of readdirSync(join(trial.folder, ".hone", "cas"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = readFileSync(path)
    bytes[bytes.indexOf("old 3")]! ^= 1
    chmodSync(path, 0o644)
    writeFileSync(path, bytes)
  }
  const sets = ["--set", "second.test=0.25"]
  const { said } = await trial.run(...sets)
  const verdict = await trial.judge(...sets)
  return verdict.how === "right"
    ? { how: "right", what: said.includes("damaged") ? "tells the file, and makes it again" : "" }
    : verdict
}

const sameAgain: Experiment<undefined> = async (_, base) => {
  const trial = new Trial(base)
  trial.input(rows(40, "old"))
  await trial.run()
  trial.input(rows(40, "old").replace("text,label", '"text","label"'))
  const { events } = await trial.run()
  const outcomeOf = (name: string) =>
    events.flatMap((event) => (event.event === "step" && event.name === name ? [event.outcome] : []))[0]
  if (outcomeOf("first") !== "ran") return { how: "wrong", what: "does not see the edit" }
  return outcomeOf("second") === "ran" ? { how: "again", what: "runs what follows again" } : trial.judge()
}

const orphaned: Experiment<undefined> = async (_, base) => {
  const trial = new Trial(base)
  trial.input(rows(many, "old"))
  const running = trial.start(["run", "p.yaml", "--json"], (event) => {
    if (event.event === "progress") process.kill(running.pid, "SIGKILL")
  })
  await running.ended
  trial.input(rows(many, "new"))
  await trial.run()
  await trial.isQuiet()
  await trial.run()
  return trial.judge()
}

const unsteady: Experiment<undefined> = async (_, base) => {
  const trial = new Trial(base)
  trial.input(rows(40, "old"))
  const env = { NODE_OPTIONS: `--import ${new URL("./unsteady.ts", import.meta.url).href}` }
  await trial.start(["run", "p.yaml", "--json"], undefined, env).ended
  const first = await trial.contents()
  const { said } = await trial.start(["rerun", "p.yaml"], undefined, env).ended
  const isKept = first !== undefined && first === (await trial.contents())
  if (!isKept) return { how: "silent", what: "the second result replaces the first" }
  return said.includes("drift")
    ? { how: "right", what: "the first stays, and the drift is told" }
    : { how: "silent", what: "the second result is not told" }
}

/** The experiments on Hone: what is served is held against what an empty store gives. */
export const onHone = { edited, swapped, tampered, sameAgain, orphaned, unsteady }
