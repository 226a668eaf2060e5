import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { RunEvent } from "@hone/core/Contract"
import { bertWeights, initialWeights, parseBertConfig, writeSafetensors } from "@hone/nn"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { pidsIn, signal, start, until } from "./support/processes.ts"
import { tinyJob, writeTinyJob } from "./support/tinyJob.ts"

let place: Place
beforeEach(() => {
  place = makePlace()
  writeTinyJob(place.folder)
})
afterEach(() => place.remove())

type Failure = Extract<RunEvent, { event: "failure" }>

/** Runs tiny.yaml, and kills the worker that trains once it has done so many steps. */
const killedAfter = async (steps: number): Promise<ReadonlyArray<RunEvent>> => {
  const run = start(place, ["run", "tiny.yaml", "--json"])
  const done = () => /"stage":"fit","done":(\d+)(?!.*"stage":"fit","done")/su.exec(run.text())?.[1] ?? 0
  await until(`${steps} steps of training`, () => Number(done()) >= steps)
  // Another one, which made tokens, stands by with less in memory.
  const workers = pidsIn(place).filter((pid) => pid !== run.pid)
  const resident = (pid: number) =>
    Number(/VmRSS:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
  signal([workers.toSorted((a, b) => resident(b) - resident(a))[0]!], "SIGKILL")
  await run.exit
  return run
    .text()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as RunEvent)
}

const failureOf = (events: ReadonlyArray<RunEvent>): Failure => {
  const failures = events.filter((event) => event.event === "failure")
  expect(failures).toHaveLength(1)
  return failures[0]!
}

/** Steps of the checkpoints that are left. */
const checkpoints = (): ReadonlyArray<number> => {
  const folder = join(place.folder, ".hone/trajectories")
  return readdirSync(folder).flatMap((trajectory) =>
    readdirSync(join(folder, trajectory)).flatMap((name) => (/^step-\d+$/u.test(name) ? [Number(name.slice(5))] : []))
  )
}

/** What stands at a failure's place. */
const textAt = ({ column, file, line }: Failure): string => {
  const lines = readFileSync(join(place.folder, file), "utf8").split("\n")
  return lines[line - 1]!.slice(column - 1)
}

const TOKENS = 200_000

/** The tiny job, whose validation rows are one of so many tokens: nothing has memory for its attention, one of them upon the other. */
const writeLongRow = async () => {
  const json = {
    model_type: "bert",
    vocab_size: 18,
    hidden_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 8,
    max_position_embeddings: TOKENS
  }
  const config = parseBertConfig(json)
  const weights = initialWeights(config, bertWeights(config), 1)
  place.write("tiny/config.json", JSON.stringify(json))
  await writeSafetensors(
    join(place.folder, "tiny/model.safetensors"),
    bertWeights(config).map(({ name, shape }) => ({ name, shape, values: weights.get(name)! }))
  )
  place.write("long.csv", `text,label\n${"film ".repeat(TOKENS)},pos\n`)
  const job = tinyJob("epochs: 2, checkpoint_every: 1")
    .replace("max_length: 16", `max_length: ${TOKENS}`)
    .replace("validation: parts.validation", "validation: long_tokens")
  const long = job
    .split("\n")
    .flatMap((line) => {
      const [, name] = /^ {2}(rows|tokens): /u.exec(line) ?? []
      if (name === undefined) return [line]
      const copy = line.replace(`${name}:`, name === "rows" ? "long:" : "long_tokens:")
      return [line, copy.replace("rows.csv", "long.csv").replace("rows: rows", "rows: long")]
    })
    .join("\n")
  place.write("tiny.yaml", long)
}

describe("a step that cannot go on ends with its place and a mend, and a training leaves a checkpoint", () => {
  it("out of memory: at the end of the first epoch, in a row that is too long", async () => {
    await writeLongRow()
    const { code, events } = await place.run("tiny.yaml")
    const failure = failureOf(events)
    expect([code, failure.code, failure.step]).toEqual([1, "out_of_memory", "tuned"])
    expect(textAt(failure)).toMatch(/^batch_size: 4/u)
    expect(failure.hint).toContain("a smaller max_length in tokenize")
    // The fifth step ends the epoch: its checkpoint would have come after the evaluation.
    expect(checkpoints()).toEqual([4])
  })

  it("a loss that is no number", async () => {
    place.write("tiny.yaml", tinyJob("checkpoint_every: 1, learning_rate: 1e15"))
    const failure = failureOf((await place.run("tiny.yaml")).events)
    expect([failure.code, failure.step]).toEqual(["nan_loss", "tuned"])
    expect(textAt(failure)).toMatch(/^learning_rate: 1e15/u)
    expect(failure.hint).toContain("lower learning_rate")
    expect(failure.row_ids).toHaveLength(4)
    expect(checkpoints()).toHaveLength(1)
  })

  it("a killed worker: the next run goes on from where it was", async () => {
    place.write("tiny.yaml", tinyJob("epochs: 20, checkpoint_every: 5"))
    const failure = failureOf(await killedAfter(20))
    expect([failure.code, failure.step]).toEqual(["killed", "tuned"])
    expect(textAt(failure)).toMatch(/^batch_size: 4/u)
    expect(failure.message).toContain("SIGKILL: the system may have run out of memory")
    const [at] = checkpoints()
    expect(at).toBeGreaterThanOrEqual(15) // the steps are told before they are saved
    const { code, events } = await place.run("tiny.yaml")
    expect(code).toBe(0)
    const counts = events.flatMap((event) => (event.event === "step" && event.name === "tuned" ? [event.counts] : []))
    expect(counts[0]).toMatchObject({ resumed_at_step: at, optimizer_steps: 100 })
  })

  it("a library that does not load", async () => {
    const numerics = { class: "tensorflow-cpu", version: "2.21.0", dtype: "float32" }
    const [library, addon] = [join(place.folder, "lib"), join(place.folder, "lib/addon.node")]
    const engine = { engine: "session", version: "2.21.0", library, addon, numerics, device: "cpu", threads: 1 }
    place.write("lib/libtensorflow_cc.so.2", "not a library")
    place.write("lib/addon.node", "not an addon")
    place.write("engine.json", JSON.stringify(engine))
    place.env["HONE_ENGINE_FILE"] = join(place.folder, "engine.json")
    const failure = failureOf((await place.run("tiny.yaml")).events)
    expect([failure.code, failure.step]).toEqual(["engine_unavailable", "tuned"])
    expect(textAt(failure)).toMatch(/^tuned:/u)
    expect(failure.message).toContain("libtensorflow_cc.so.2 does not load")
    expect(failure.hint).toMatch(/`hone doctor` .* HONE_ENGINE=wasm/u)
    const { stderr } = await place.hone("run", "tiny.yaml")
    expect(stderr).toContain(`tiny.yaml:${failure.line}:3: tuned failed: the session engine cannot be used`)
  })

  it("an index out of range: a tokenizer that knows more words than the model", async () => {
    const path = join(place.folder, "tiny/tokenizer.json")
    const tokenizer = JSON.parse(readFileSync(path, "utf8")) as { model: { vocab: Record<string, number> } }
    tokenizer.model.vocab["film"] = 5000
    place.write("tiny/tokenizer.json", JSON.stringify(tokenizer))
    const failure = failureOf((await place.run("tiny.yaml")).events)
    expect([failure.code, failure.step]).toEqual(["vocabulary_mismatch", "base"])
    expect(textAt(failure)).toMatch(/^base:/u)
    expect(failure.message).toContain("ids up to 5000")
    expect(failure.hint).toContain("tokenizer that belongs to these weights")
  })
})
