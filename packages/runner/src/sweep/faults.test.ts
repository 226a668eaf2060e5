import { PipelineFaults } from "@hone/core/Fault"
import { readPipeline } from "@hone/core/file/Decode"
import { parseText } from "@hone/core/file/Document"
import { decodeSweep } from "@hone/core/sweep/decodeSweep"
import { searchedBy, sweepText } from "@hone/core/sweep/SweepText"
import { registry } from "@hone/steps"
import { describe, expect, it } from "vitest"

const pipeline = `name: small
params: { learning_rate: 2e-4 }
steps:
  reviews: { uses: ingest, with: { source: a.csv, task: text-classification, columns: { text: t, label: s } } }
  base: { uses: base, with: { model: minilm-l6 } }
  tokens: { uses: tokenize, in: { rows: reviews, tokenizer: base.tokenizer }, with: { max_length: 64 } }
  parts: { uses: split, in: { rows: tokens }, with: { validation: 0.2, test: 0.3 } }
  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: head } }
  tuned: { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { learning_rate: "\${params.learning_rate}", epochs: 4 } }
  blind: { uses: train, in: { model: trainable, train: parts.train } }
  after: { uses: evaluate, in: { model: tuned, rows: parts.test } }
`

const decode = (block: string, sets: ReadonlyArray<string> = []) => {
  const { document } = parseText("sweep.yaml", block)
  const options = sets.map((set) => searchedBy(set)!)
  return decodeSweep(
    readPipeline({ file: "small.yaml", text: pipeline }, registry),
    sweepText(document!, [], options),
    "sweep.yaml"
  )
}

/** "line:column message (hint)" of each fault. */
const faultsOf = (block: string, sets: ReadonlyArray<string> = []) => {
  const sweep = decode(block, sets)
  return sweep instanceof PipelineFaults
    ? sweep.faults.map(({ column, line, message }) => `${line}:${column} ${message.split("\n")[0]}`)
    : []
}

const space = "space: { tuned.batch_size: { choice: [8, 16] } }"

describe("a sweep's faults", () => {
  it("come all at once, each at its place, before anything runs", () => {
    expect(
      faultsOf(`objective: { metric: after.accuracy }
search: { method: randm }
space:
  tuned.learning_rate: { log: [0, 1] }
  tuned.batch_size: { choice: [8, x], when: tuned.batchsize > 8 }
  tuned.weight_decay: { range: [0.5, 0.1] }
  tunned.epochs: { int: [1, 3] }
  tuned.dropout: { choice: [0.1] }
  trainable.strategy: { choice: [head, { partial: { last_block: 2 } }] }
  params.learning_rate: [1, 2]
start: [ { tuned.nope: 1 } ]
replicates: { seeds: 500 }
prune: { method: asha, metric: tuned.validation_loss, rungs: [1, 9], resource: step }
`)
    ).toEqual([
      "1:22 `after.accuracy` is measured on parts.test: a search that chooses by test rows leaves nothing to test on",
      '2:19 `search.method` must be "grid" or "list" or "random" or "quasi_random" or "tpe", and is "randm"',
      "4:31 a logarithm has no value at 0",
      '5:35 `batch_size` must be number or "auto", and is "x"',
      "5:45 there is no param `tuned.batchsize`, at character 1 of",
      "6:32 from 0.5 to 0.1 there is nothing",
      "7:3 no step is called `tunned`",
      "8:3 `tuned` has no param `dropout`",
      "9:40 unknown key `last_block`",
      "10:25 `params.learning_rate` is not told how to be searched",
      "11:12 `tuned` has no param `nope`",
      "12:22 `replicates.seeds` must be a value between 1 and 50, and is 500",
      "13:62 a rung at epoch 9 stops nothing: no trial goes beyond epoch 4",
      "13:80 `tuned` does not report `step`"
    ])
  })

  it.each([
    ["space: {}", "1:1 nothing is searched: the space is empty"],
    ["search: { method: list }", "1:1 `method: list` tries what `start` and `bundles` list, and there is nothing"],
    [
      `${space}\nconstraints: [tuned.batch_size > 1, tuned.batch_size * tokens.max_length <= 100]`,
      "2:37 no trial satisfies all constraints; the tightest is `tuned.batch_size * tokens.max_length <= 100`: 0 of 2 points of the space do"
    ],
    [
      "space:\n  tuned.batch_size: { choice: [8, 16], when: tuned.weight_decay > 0 }\n  tuned.weight_decay: { expr: 0.1 * tuned.batch_size }",
      "2:3 params wait for each other: tuned.batch_size -> tuned.weight_decay -> tuned.batch_size"
    ],
    [`objective: { metric: tuned.accuracy }\n${space}`, "1:22 `tuned` (train) gives no `accuracy`"],
    [`objective: { metric: nothing.accuracy }\n${space}`, "1:22 `nothing.accuracy` is given by no step"],
    [
      `objective: { metric: blind.validation_loss }\n${space}`,
      "1:22 `blind` gives no `validation_loss` without rows at `validation`"
    ],
    [
      "search: { method: grid }\nspace: { tuned.learning_rate: { log: [1e-4, 1e-2] } }",
      "2:31 a grid does not know which values of `tuned.learning_rate` to take"
    ],
    [`${space}\nbundles: [{ tuned.batch_size: 4 }]`, "2:13 `tuned.batch_size` is searched by itself too"],
    [`${space}\nprune: { method: threshold }`, "2:8 `method: threshold` needs the value that a trial must reach"],
    [
      `${space}\nbudget: { wall_time: soon }`,
      '2:22 `budget.wall_time` must be a duration as 2h, 30m, 90s or 1h30m, and is "soon"'
    ],
    [
      `${space}\nconstraints: [tuned.batch_size < 16]\nstart: [{ tuned.batch_size: 16 }]`,
      "3:9 this trial does not satisfy `tuned.batch_size < 16`"
    ],
    [`${space}\nbundles: [{ tuned.epochs: many }]`, '2:11 `epochs` must be a number, and is "many"']
  ])("%s", (block, fault) => {
    expect(faultsOf(block)).toEqual([fault])
  })

  it("are placed on the command line where they were typed there", () => {
    const sweep = decode("{}", ["tuned.learning_rate=log(0,1)"])
    expect(sweep instanceof PipelineFaults && sweep.faults[0]!.file).toBe("--set tuned.learning_rate=log(0,1)")
    expect(
      faultsOf("{}", [
        "tuned.learning_rate=log(1e-5,1e-3)",
        "tuned.batch_size=choice(8,16)",
        "tuned.weight_decay=expr(0.1*tuned.learning_rate)",
        "tokens.max_length=int(32,128,32)"
      ])
    ).toEqual([])
  })

  it("takes memory by its unit, and places an amount that is none", () => {
    const memoryOf = (text: string) => {
      const sweep = decode(`${space}\nresources: { memory: ${text} }`)
      return sweep instanceof PipelineFaults ? sweep.faults.map(({ column, line }) => [line, column]) : sweep.memory
    }
    expect(["6GB", "1.5 GiB", "800MB"].map(memoryOf)).toEqual([6e9, 1.5 * 2 ** 30, 800e6])
    expect(["lots", "0GB", "6", "6 gb"].map(memoryOf)).toEqual(Array.from({ length: 4 }, () => [[2, 22]]))
  })
})
