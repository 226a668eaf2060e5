import { spawn, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))
const shipped = readFileSync(fileURLToPath(new URL("../pipelines/sentiment.yaml", import.meta.url)), "utf8")

/** Numbers in [0, 1) that are the same in every run of the tests (mulberry32). */
const draws = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const pidsIn = (folder: string): ReadonlyArray<number> => {
  const { stdout } = spawnSync(
    "sh",
    ["-c", 'for p in /proc/[0-9]*; do echo "$p $(readlink $p/cwd)"; done 2>/dev/null'],
    {
      encoding: "utf8"
    }
  )
  return stdout
    .split("\n")
    .flatMap((line) => (line.endsWith(` ${folder}`) ? [Number(line.split(" ")[0]!.slice(6))] : []))
}

/** Starts a run and kills, after a while, the runner or one of its workers. */
const killed = (place: Place, file: string, millis: number, whom: "runner" | "worker"): Promise<void> =>
  new Promise((resolve) => {
    const child = spawn(launcher, ["run", file, "--json"], { cwd: place.folder, stdio: "ignore" })
    const timer = setTimeout(() => {
      const workers = pidsIn(place.folder).filter((pid) => pid !== child.pid)
      const pid = whom === "worker" ? workers.at(-1) : child.pid
      try {
        if (pid !== undefined) process.kill(pid, "SIGKILL")
      } catch {
        // It ended by itself.
      }
      if (whom === "worker" && pid === undefined) child.kill("SIGKILL")
    }, millis)
    child.on("exit", () => {
      clearTimeout(timer)
      resolve()
    })
  })

const contents = (place: Place): Readonly<Record<string, string>> => {
  const ac = join(place.folder, ".hone/ac")
  const records = readdirSync(ac).map(
    (name) =>
      (
        JSON.parse(readFileSync(join(ac, name), "utf8")) as {
          record: { key: string; outputs: Record<string, { content: string }> }
        }
      ).record
  )
  return Object.fromEntries(
    records.map(({ key, outputs }) => [
      key,
      Object.values(outputs)
        .map(({ content }) => content)
        .join()
    ])
  )
}

/** Kills again and again, then lets it finish, and holds the store against one that nobody disturbed. */
const survives = async (pipeline: string, kills: number, longest: number, seed: number): Promise<void> => {
  const draw = draws(seed)
  const place = makePlace()
  place.write("p.yaml", pipeline)
  for (let i = 0; i < kills; i++)
    await killed(place, "p.yaml", 100 + draw() * longest, draw() < 0.6 ? "runner" : "worker")
  const end = await place.run("p.yaml")
  expect(end.code).toBe(0)
  expect((await place.hone("verify")).stdout).toContain("every record and every file is what it was")
  expect(readdirSync(join(place.folder, ".hone/attempts"))).toEqual([])
  await expect.poll(() => pidsIn(place.folder), { timeout: 15_000 }).toEqual([])
  const straight = makePlace()
  straight.write("p.yaml", pipeline)
  await straight.run("p.yaml")
  expect(contents(place)).toEqual(contents(straight))
  place.remove()
  straight.remove()
}

describe("SIGKILL at any instant", () => {
  it("of runs that ingest, tokenize and split: the next run ends with what an undisturbed one makes", async () => {
    const pipeline = shipped
      .replace("sample: 2300", "sample: 1500")
      .replace(/^ {2}(trainable|tuned|before|after|verdict):.*$/gmu, "")
    await survives(pipeline, 30, 3000, 1)
  })

  it("of runs that train: it goes on from its checkpoints to the same bytes", async () => {
    const pipeline = shipped
      .replace("sample: 2300", "sample: 120")
      .replace("max_length: 128", "max_length: 24")
      .replace("epochs: 2", "epochs: 4, checkpoint_every: 2")
    await survives(pipeline, 8, 9000, 2)
  })
})
