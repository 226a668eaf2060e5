import type { Domain } from "@hone/core/sweep/Domain"
import { describe, expect, it } from "vitest"
import { halton, radicalInverse } from "./halton.ts"
import { random } from "./random.ts"

const unit: Domain = { kind: "number", low: 0, high: 1, step: null, isLog: false, points: null }

describe("halton", () => {
  it("is scipy's sequence where no digits are exchanged", () => {
    // scipy 1.17.1: stats.qmc.Halton(d=3, scramble=False).random(6)
    const scipy = [
      [0, 0, 0],
      [1 / 2, 1 / 3, 1 / 5],
      [1 / 4, 2 / 3, 2 / 5],
      [3 / 4, 1 / 9, 3 / 5],
      [1 / 8, 4 / 9, 4 / 5],
      [5 / 8, 7 / 9, 1 / 25]
    ]
    scipy.forEach((point, n) =>
      point.forEach((value, i) => expect(radicalInverse(n, [2, 3, 5][i]!)).toBeCloseTo(value, 12))
    )
  })

  it("leaves smaller holes in a plane than draws do", () => {
    const dimensions = ["s.x", "s.y"].map((path) => ({ path, domain: unit }))
    const emptyCells = (propose: ReturnType<typeof random>) => {
      const cells = new Set<string>()
      for (let n = 0; n < 64; n++) {
        const point = propose(n, 0, [])!
        cells.add(["s.x", "s.y"].map((path) => Math.floor(8 * (point(path) as number))).join())
      }
      return 64 - cells.size
    }
    for (const seed of [1, 2, 3]) {
      expect(emptyCells(halton(dimensions, seed))).toBeLessThan(emptyCells(random(dimensions, seed)))
      // Of 64 points each eighth of the first axis has eight: what draws do not give.
      const eighths = Array.from({ length: 64 }, (_, n) =>
        Math.floor(8 * (halton(dimensions, seed)(n, 0, [])!("s.x") as number))
      )
      expect([0, 1, 2, 3, 4, 5, 6, 7].map((cell) => eighths.filter((one) => one === cell).length)).toEqual(
        Array(8).fill(8)
      )
    }
  })
})
