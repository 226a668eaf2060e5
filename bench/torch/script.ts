import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type Quiet, watchQuiet } from "../machine.ts"

export interface ScriptRun<A> extends Quiet {
  /** The JSON of its last line. */
  readonly answer: A
  /** Of the whole process. */
  readonly wall_seconds: number
}

/** Runs a script of this folder on a job.json, off line. Throws where it fails, with what it said. */
export const runScript = <A>(python: string, name: string, job: string): ScriptRun<A> => {
  const quiet = watchQuiet()
  const start = performance.now()
  const script = fileURLToPath(new URL(name, import.meta.url))
  const { status, stderr, stdout } = spawnSync(python, [script, job], {
    encoding: "utf8",
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
    maxBuffer: 64 << 20
  })
  if (status !== 0) throw new Error(`${name} ended with code ${status}\n${stderr}`)
  const answer = JSON.parse(stdout.trim().split("\n").at(-1)!) as A
  return { answer, wall_seconds: (performance.now() - start) / 1000, ...quiet() }
}
