import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sha256 } from "@hone/core/Canonical"
import { readTable } from "@hone/steps/arrow/reader"
import { afterAll, assert, beforeAll, it } from "vitest"
import { exampleSweep } from "../testing/exampleSweep.ts"
import { writeReport } from "./files.ts"

const sweep = exampleSweep()
let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "hone-report-"))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it("the CSV has a row a trial: params by path, replicates, rungs, and what is absent left empty", async () => {
  const path = join(folder, "made", "trials.csv")
  await writeReport("csv", path, sweep)
  const [header, first, ...rest] = readFileSync(path, "utf8").trimEnd().split("\n")
  assert.strictEqual(
    header,
    "trial,id,rank,state,by,tuned.learning_rate,tuned.batch_size,trainable.strategy,tuned.layer_decay,tuned.weight_decay," +
      "objective,sd,objective_0,objective_1,objective_2,rung_1,rung_3,started_at,seconds,error"
  )
  const [best] = sweep.trials
  assert.include(first, `18,t18,1,complete,tpe,${best!.params["tuned.learning_rate"] as number},16,`)
  assert.include(first, '"{""partial"":{""last_blocks"":2}}"')
  assert.strictEqual(rest.length + 1, sweep.trials.length)
  // Stopped at the first rung: neither an objective of a seed nor a second rung.
  const stopped = rest.find((line) => line.includes(",stopped,"))!
  assert.match(stopped, /,,,0\.\d+,,2026/u)
  assert.match(rest.at(-1)!, /,tuned: 6\.1 GB predicted|"tuned: 6\.1 GB predicted, 7\.9 GB seen"$/u)
})

it("the Arrow file has the same, numbers as numbers", async () => {
  const path = join(folder, "trials.arrow")
  await writeReport("arrow", path, sweep)
  const table = readTable({ path, blob: sha256(readFileSync(path)) })
  assert.strictEqual(table.numRows, sweep.trials.length)
  const column = (name: string) => Array.from(table.getChild(name) as Iterable<unknown>)
  assert.deepStrictEqual(
    column("tuned.learning_rate"),
    sweep.trials.map(({ params }) => params["tuned.learning_rate"])
  )
  assert.deepStrictEqual(
    column("tuned.layer_decay"),
    sweep.trials.map(({ params }) => params["tuned.layer_decay"] ?? null)
  )
  assert.deepStrictEqual(
    column("rank"),
    sweep.trials.map(({ rank }) => rank)
  )
})

it("a file of the name is replaced whole, and nothing half-made is left", async () => {
  const path = join(folder, "trials.csv")
  await writeReport("csv", path, sweep)
  await writeReport("csv", path, { ...sweep, trials: sweep.trials.slice(0, 2) })
  assert.strictEqual(readFileSync(path, "utf8").trimEnd().split("\n").length, 3)
  assert.isFalse(existsSync(join(folder, `.trials.csv.${process.pid}.partial`)))
})
