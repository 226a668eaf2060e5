import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { nativeEngines } from "../testing/engines.ts"

const script = fileURLToPath(new URL("../testing/trainingProcess.ts", import.meta.url))

interface Answer {
  readonly grown: number
  readonly predicted: number
}

const measured = (...args: ReadonlyArray<number>): Answer => {
  const told = execFileSync(process.execPath, [script, ...args.map(String)], { encoding: "utf8" })
  return JSON.parse(told.trim().split("\n").at(-1)!) as Answer
}

// Rows, length, frozen blocks, dropout, and masked tokens of a row to guess.
it.skipIf(nativeEngines.length === 0).each([
  [16, 64, 0, 0.1, 0],
  [32, 128, 0, 0, 0],
  [16, 64, 4, 0, 0],
  [16, 64, 0, 0.1, 10]
])(
  "a training of MiniLM takes what is predicted, within a fifth: %i rows of %i, %i blocks frozen, dropout %f, %i to guess",
  (...shape) => {
    const { grown, predicted } = measured(...shape)
    const told = `${shape.join(" ")}: grew by ${Math.round(grown / 2 ** 20)} MiB, predicted ${Math.round(predicted / 2 ** 20)}`
    console.log(told)
    expect(Math.abs(predicted / grown - 1), told).toBeLessThan(0.2)
  }
)
