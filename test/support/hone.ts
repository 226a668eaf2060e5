import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { RunEvent } from "@hone/core/Contract"
import { RunEvent as RunEventSchema } from "@hone/core/Contract"
import { Schema } from "effect"

const launcher = fileURLToPath(new URL("../../hone", import.meta.url))

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder of its own with a store of its own, and the real command run in it. */
export interface Place {
  readonly folder: string
  readonly write: (name: string, text: string) => void
  readonly hone: (...args: ReadonlyArray<string>) => Promise<Outcome>
  readonly env: Record<string, string>
  /** Runs with `--json` and decodes every event by its Schema. */
  readonly run: (
    file: string,
    ...args: ReadonlyArray<string>
  ) => Promise<{
    readonly code: number | null
    readonly events: ReadonlyArray<RunEvent>
    readonly outcomes: Readonly<Record<string, string>>
    readonly stages: ReadonlyArray<string>
  }>
  readonly remove: () => void
}

const decodeEvent = Schema.decodeUnknownSync(RunEventSchema, { onExcessProperty: "error" })

export const makePlace = (): Place => {
  const folder = mkdtempSync(join(tmpdir(), "hone-test-"))
  writeFileSync(join(folder, "hone.yaml"), "")
  const env: Record<string, string> = {}
  const hone = (...args: ReadonlyArray<string>) =>
    new Promise<Outcome>((resolve, reject) => {
      const child = spawn(launcher, args, {
        cwd: folder,
        env: { ...process.env, NO_COLOR: "1", ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
      child.on("error", reject)
      child.on("close", (code) => resolve({ code, stdout, stderr }))
    })
  return {
    folder,
    env,
    hone,
    write: (name, text) => {
      mkdirSync(join(folder, name, ".."), { recursive: true })
      writeFileSync(join(folder, name), text)
    },
    run: async (file, ...args) => {
      const { code, stderr, stdout } = await hone("run", file, "--json", ...args)
      const events = stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => decodeEvent(JSON.parse(line)))
      const end = events.at(-1)
      if (end?.event !== "end")
        throw new Error(`the run gave no end event (exit ${code}): ${stdout.slice(-2000)} ${stderr}`)
      const stages = events
        .flatMap((event) =>
          event.event === "stage" && event.state === "started" ? [`${event.step}/${event.stage}`] : []
        )
        .sort()
      return { code, events, outcomes: Object.fromEntries(end.steps.map((step) => [step.name, step.outcome])), stages }
    },
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
