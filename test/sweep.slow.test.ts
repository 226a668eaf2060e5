import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { pidsIn, signal, start, until } from "./support/processes.ts"
import { filesIn, recordsIn } from "./support/store.ts"
import { made, smallPipeline, smallSweep, swept, tableOf } from "./support/sweeps.ts"

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("small.yaml", smallPipeline)
})
afterAll(() => place.remove())

describe("a sweep", () => {
  it("continues from a rung, to the bytes of a training that never stopped there", async () => {
    const space = smallSweep(
      "search: { method: random, seed: 5, max_trials: 4 }\nprune: { method: asha, rungs: [1, 2], start_after: 1 }"
    )
    place.write("asha.yaml", space)
    const { best, trials } = await swept(place, "asha.yaml")
    const winner = trials.find(({ id }) => id === best)!
    expect(trials.filter(({ state }) => state === "stopped").length).toBeGreaterThan(0)
    expect(winner.rungs.map(({ decision, resource }) => [resource, decision])).toEqual([
      [1, "kept"],
      [2, "kept"]
    ])
    const whole = makePlace()
    whole.write("small.yaml", smallPipeline)
    const sets = Object.entries(winner.params).flatMap(([path, value]) => ["--set", `${path}=${JSON.stringify(value)}`])
    await whole.run("small.yaml", ...sets)
    const blobs = async (of: Place) =>
      JSON.parse((await of.hone("show", "small.yaml", "tuned", "--json", ...sets)).stdout)
    const [ours, straight] = [await blobs(place), await blobs(whole)]
    whole.remove()
    expect(ours.outputs).toEqual(straight.outputs)
    expect(ours.counts.resumed_at_step).toBeGreaterThan(0)
    expect(straight.counts.resumed_at_step).toBe(0)
  })

  it("keeps the error of a failed trial, does not repeat what would fail again, and stops after as many as are allowed", async () => {
    const over = (failure: string) =>
      `pipeline: small.yaml\nsearch: { method: grid }\nspace: { tuned.learning_rate: { choice: [1.5e9, 1e-2, 2.5e9, 3.5e9] } }\n${failure}`
    place.write("failing.yaml", over(""))
    const { best, trials } = await swept(place, "failing.yaml")
    expect(trials.map(({ number, state }) => [number, state])).toEqual([
      [2, "complete"],
      [1, "failed"],
      [3, "failed"],
      [4, "failed"]
    ])
    expect(trials[0]!.id).toBe(best)
    expect(trials[1]!.error).toMatchObject({ step: "tuned", code: "nan_loss" })
    const again = await swept(place, "failing.yaml")
    expect(again.trials.map(({ spans }) => spans.length)).toEqual(trials.map(({ spans }) => spans.length))
    expect(again.trials[1]!.error).toEqual(trials[1]!.error)
    place.write("failing.yaml", over("failure: { stop_after: 2 }"))
    const stopped = await swept(place, "failing.yaml")
    expect([stopped.trials.length, stopped.ended]).toEqual([3, "2 trials failed"])
  })

  it("stops a training at a checkpoint when its budget is used up, tells the winner of what there is, and goes on with another", async () => {
    const over = (budget: string) =>
      `pipeline: small.yaml\nsearch: { method: list }\nstart: [{ tuned.epochs: 2 }, { tuned.epochs: 1500 }, { tuned.epochs: 4 }]\n${budget}`
    await place.run("small.yaml", "--set", "tuned.epochs=2")
    place.write("budget.yaml", over("budget: { device_time: 5s }"))
    const cut = await swept(place, "budget.yaml")
    expect(cut.ended).toBe("the budget's device_time is used up")
    expect(cut.trials.map(({ number, state }) => [number, state])).toEqual([
      [1, "complete"],
      [2, "unfinished"]
    ])
    expect(Object.keys(cut.test!.best)).toContain("accuracy")
    place.write("budget.yaml", over(""))
    const whole = await swept(place, "budget.yaml")
    expect(whole.trials.map(({ state }) => state)).toEqual(Array(3).fill("complete"))
    const shown = await place.hone("show", "small.yaml", "tuned", "--json", "--set", "tuned.epochs=1500")
    expect(JSON.parse(shown.stdout).counts.resumed_at_step).toBeGreaterThan(0)
    place.write("budget.yaml", `${over("")}\nbudget: { wall_time: 0s }`.replace("epochs: 2 }", "epochs: 1 }"))
    const none = await place.hone("sweep", "run", "budget.yaml", "--json")
    expect([none.code, JSON.parse(none.stdout).ended]).toEqual([1, "the budget's wall_time is used up"])
  })

  it("begins a trial beside another only where both are predicted to fit into memory", async () => {
    const over = (memory: string) =>
      smallSweep(`search: { method: random, seed: 12, max_trials: 2, parallel: 2 }\nresources: { memory: ${memory} }`)
    place.write("memory.yaml", over("700MB"))
    const planned = await place.hone("sweep", "plan", "memory.yaml")
    expect(planned.stdout).toMatch(
      /predicted to take \d+ MB of memory at most; 1 fit side by side into the 700 MB that/
    )
    place.write("tight.yaml", `${smallPipeline}resources: { memory: 500MB }\n`)
    const alone = await place.hone("plan", "tight.yaml", "--set", "tuned.epochs=9")
    expect(alone.stdout).toMatch(
      /tuned: \d+ MB of memory at most, more than the 500 MB that `resources` declares: lower/
    )
    const tight = await place.hone("sweep", "run", "memory.yaml")
    expect(tight.stdout).toMatch(
      /trial [12] waits for memory: .* \d+ MB, and what runs leaves less than that of 700 MB\n/
    )
    place.write("memory.yaml", over("2GB").replace("seed: 12", "seed: 13"))
    const wide = await place.hone("sweep", "run", "memory.yaml")
    expect([tight.code, wide.code, wide.stdout.includes("waits for memory")]).toEqual([0, 0, false])
  })

  it("ends at Ctrl-C with its workers, and tells what was predicted and what was seen where the system kills one", async () => {
    place.write(
      "large.yaml",
      "pipeline: small.yaml\nsearch: { method: list }\nstart: [{ tuned.epochs: 2000 }]\nfailure: { retry: 0 }\n"
    )
    await place.run("small.yaml", "--set", "tuned.epochs=2")
    const worker = () => pidsIn(place).find((pid) => pid !== run.pid && residentOf(pid) > 300e6)
    const training = () => until("a training that holds its engine", () => worker() !== undefined)
    let run = start(place, ["sweep", "run", "large.yaml"])
    await training()
    signal([run.pid], "SIGINT")
    expect([(await run.exit).code, pidsIn(place)]).toEqual([130, []])
    expect(logOf(place).filter(({ failure }) => failure?.code === "crashed")).toEqual([])
    run = start(place, ["sweep", "run", "large.yaml"])
    await training()
    signal([worker()!], "SIGKILL")
    expect((await run.exit).code).toBe(1)
    expect(run.text()).toMatch(
      /failed: [56]\d\d MB of memory predicted, [2-9]\d\d MB seen: the worker process was ended by SIGKILL/
    )
    expect(run.text()).toContain("1 of 1 trials failed: a smaller batch_size")
  })

  it("run by two processes at once makes each result once, and both tell the same table", async () => {
    const text = smallSweep(
      "search: { method: tpe, seed: 21, max_trials: 6, parallel: 2 }\nprune: { method: asha, rungs: [1], start_after: 2 }\nreplicates: { seeds: 2, only: { top: 1 } }"
    )
    const [shared, alone] = [makePlace(), makePlace()]
    for (const one of [shared, alone]) {
      one.write("small.yaml", smallPipeline)
      one.write("twice.yaml", text)
    }
    await shared.run("small.yaml")
    cpSync(join(shared.folder, ".hone"), join(alone.folder, ".hone"), { recursive: true })
    const fits = made(shared)["train/fit"]!
    const [first, second] = await Promise.all([swept(shared, "twice.yaml"), swept(shared, "twice.yaml")])
    const whole = await swept(alone, "twice.yaml")
    expect(tableOf(first)).toEqual(tableOf(whole))
    expect(tableOf(second)).toEqual(tableOf(whole))
    expect(first.decisions).toEqual(whole.decisions)
    expect(made(shared)).toEqual(made(alone))
    // Of each training, and of the winner's evaluation, one of them has noted that it used the device.
    const used = logOf(shared).filter(({ device_seconds }) => device_seconds > 0)
    expect(used).toHaveLength(made(shared)["train/fit"]! - fits + 1)
    expect(tableOf(await swept(shared, "twice.yaml"))).toEqual(tableOf(whole))
    expect(made(shared)).toEqual(made(alone))
    for (const one of [shared, alone]) one.remove()
  })

  it("of pipelines/ runs, on few rows", async () => {
    for (const name of ["sentiment.yaml", "sentiment-sweep.yaml"])
      place.write(`pipelines/${name}`, readFileSync(new URL(`../pipelines/${name}`, import.meta.url), "utf8"))
    const sets = ["reviews.sample=90", "params.max_length=24"].flatMap((set) => ["--set", set])
    const { code, stdout } = await place.hone(
      "sweep",
      "run",
      "pipelines/sentiment-sweep.yaml",
      "--trials",
      "4",
      ...sets
    )
    expect(code).toBe(0)
    expect(stdout).toContain("partial(last_blocks: 2)")
    expect(stdout).toContain("on the test rows, which only these two have seen (after, before)")
  })

  it("killed twenty times, at many points of it, ends with the table of an undisturbed one", async () => {
    const text = smallSweep(
      "search: { method: tpe, seed: 3, max_trials: 14, parallel: 2 }\nprune: { method: asha, rungs: [1], start_after: 2 }\nreplicates: { seeds: 2, only: { top: 2 } }"
    )
    place.write("killed.yaml", text)
    let kills = 0
    const reached = new Set<number>()
    // By turns after a delay alone, from before the first step runs, and after one more result: so it gets on, however slow the machine is.
    for (let n = 0; kills < 20 && n < 60; n++) {
      if (!(await killedAfter("killed.yaml", n % 2, n % 2 === 0 ? 250 + ((n * 1103) % 700) : (n * 37) % 100))) continue
      kills += 1
      reached.add(recordsIn(place).length)
    }
    const killed = await swept(place, "killed.yaml")
    expect(kills).toBe(20)
    expect(reached.size).toBeGreaterThan(7)
    const other = makePlace()
    other.write("small.yaml", smallPipeline)
    other.write("killed.yaml", text)
    const undisturbed = await swept(other, "killed.yaml")
    other.remove()
    expect(tableOf(killed)).toEqual(tableOf(undisturbed))
    expect(killed.decisions).toEqual(undisturbed.decisions)
    expect(killed.test).toEqual(undisturbed.test)
  })
})

/** The lines of a sweep's log. */
const logOf = (place: Place): ReadonlyArray<Record<string, any>> =>
  filesIn(place, "sweeps")
    .filter((path) => path.endsWith(".jsonl"))
    .flatMap((path) => readFileSync(path, "utf8").trimEnd().split("\n"))
    .map((line) => JSON.parse(line))

/** Bytes that a process holds; 0 where it has ended. */
const residentOf = (pid: number): number => {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1])
  } catch {
    return 0
  }
}

/** Kills a sweep, its workers too, some milliseconds after it has made as many results; false where it had ended by then. */
const killedAfter = async (file: string, results: number, millis: number): Promise<boolean> => {
  const wanted = recordsIn(place).length + results
  const { exit } = start(place, ["sweep", "run", file, "--json"])
  let isOver = false
  const ended = exit.then(() => (isOver = true))
  await until("one more result", () => isOver || recordsIn(place).length >= wanted, 60)
  await Promise.race([ended, sleep(millis)])
  while (pidsIn(place).length > 0) {
    signal(pidsIn(place), "SIGKILL")
    await sleep(5)
  }
  return (await exit).signal === "SIGKILL"
}
