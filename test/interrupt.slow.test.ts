import type { ChildProcess } from "node:child_process"
import { spawn, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))
const pipeline = readFileSync(fileURLToPath(new URL("../pipelines/sentiment.yaml", import.meta.url)), "utf8")
  .replace("sample: 2300", "sample: 90")
  .replace("max_length: 128", "max_length: 24")
  .replace("epochs: 2", "epochs: 6, checkpoint_every: 1")
  // Only what leads to the training.
  .replace(/^ {2}(before|after|verdict):.*$/gmu, "")

let place: Place
beforeEach(() => {
  place = makePlace()
  place.write("train.yaml", pipeline)
})
afterEach(() => place.remove())

/** Starts a run and resolves when its training has done some optimizer steps. */
const started = (): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(launcher, ["run", "train.yaml", "--json"], {
      cwd: place.folder,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let text = ""
    child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      const steps = text.split("\n").filter((line) => line.includes('"progress"') && line.includes('"fit"'))
      if (steps.length >= 2) resolve(child)
    })
    child.on("exit", (code) => reject(new Error(`ended early with ${code}: ${text.slice(-500)}`)))
  })

const exitOf = (child: ChildProcess) =>
  new Promise<{ code: number | null; at: number }>((resolve) =>
    child.on("exit", (code) => resolve({ code, at: Date.now() }))
  )

/** Workers whose requests name this place's store. */
const workersHere = () => {
  const { stdout } = spawnSync("sh", ["-c", "for p in /proc/[0-9]*; do readlink $p/cwd 2>/dev/null; done"], {
    encoding: "utf8"
  })
  return stdout.split("\n").filter((cwd) => cwd === place.folder).length
}

const modelContent = async () => {
  const plan = JSON.parse((await place.hone("plan", "train.yaml", "--json")).stdout) as {
    steps: ReadonlyArray<{ name: string; key: string }>
  }
  const key = plan.steps.find(({ name }) => name === "tuned")!.key
  const { record } = JSON.parse(readFileSync(join(place.folder, `.hone/ac/${key}.json`), "utf8")) as {
    record: { outputs: { model: { content: string }; history: { content: string } } }
  }
  return [record.outputs.model.content, record.outputs.history.content]
}

describe("Ctrl-C", () => {
  it("ends the workers, exits with 130, and the next run goes on to the result of an undisturbed one", async () => {
    const child = await started()
    const exit = exitOf(child)
    child.kill("SIGINT")
    expect((await exit).code).toBe(130)
    expect(workersHere()).toBe(0)
    expect(readdirSync(join(place.folder, ".hone/attempts"))).toEqual([])
    const resumed = await place.run("train.yaml")
    expect(resumed.code).toBe(0)
    expect(resumed.stages).toEqual(["tuned/fit"])
    const progress = resumed.events.flatMap((event) =>
      event.event === "progress" && event.stage === "fit" ? [event.done] : []
    )
    expect(progress[0]).toBeGreaterThan(1) // it did not begin at the first optimizer step
    const afterInterrupt = await modelContent()

    const undisturbed = makePlace()
    undisturbed.write("train.yaml", pipeline)
    await undisturbed.run("train.yaml")
    const own = place
    place = undisturbed
    expect(await modelContent()).toEqual(afterInterrupt)
    place = own
    undisturbed.remove()
  })

  it("a second one leaves at once and leaves no worker behind", async () => {
    const child = await started()
    const exit = exitOf(child)
    child.kill("SIGINT")
    child.kill("SIGINT")
    const asked = Date.now()
    const { at, code } = await exit
    expect(code).toBe(130)
    expect(at - asked).toBeLessThan(2000)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(workersHere()).toBe(0)
  })

  it("a runner that is killed takes its workers with it, and the next run goes on", async () => {
    const child = await started()
    const exit = exitOf(child)
    child.kill("SIGKILL")
    await exit
    await expect.poll(workersHere, { timeout: 15_000 }).toBe(0)
    const resumed = await place.run("train.yaml")
    expect([resumed.code, resumed.outcomes["tuned"]]).toEqual([0, "ran"])
    expect(readdirSync(join(place.folder, ".hone/attempts"))).toEqual([])
  })
})
