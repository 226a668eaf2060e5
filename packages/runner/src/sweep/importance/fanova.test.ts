import { drawFor } from "@hone/core/sweep/draw"
import { assert, it } from "vitest"
import { decompose } from "./fanova.ts"
import { type Axis, explainedUnseen, growForest } from "./forest.ts"

const draw = drawFor(3, "fanova.test")

/** Points drawn evenly, the values of a function there, and the shares of the variance that a forest gives each axis. */
const sharesOf = (axes: ReadonlyArray<Axis>, points: number, f: (...at: ReadonlyArray<number>) => number) => {
  const inside = (axis: Axis) =>
    axis.kind === "number" ? axis.low + draw() * (axis.high - axis.low) : Math.floor(draw() * axis.size)
  const at = Array.from({ length: points }, () => axes.map(inside))
  const values = at.map((point) => f(...point))
  const forest = growForest(axes, at, values, 16, draw)
  const { alone, variance } = decompose(forest)
  return { shares: alone.map((own) => own / variance), explained: explainedUnseen(forest, at, values) }
}

const unit: Axis = { kind: "number", low: 0, high: 1 }

it("a forest's shares are the Sobol indices of the Ishigami function", () => {
  // A forest smooths the function and adds some noise of its own: hence the wide tolerance.
  // a = 7, b = 0.1: 0.314, 0.442 and 0 alone, 0.244 the first and third together (Saltelli et al., Global Sensitivity Analysis, 2008).
  const axis: Axis = { kind: "number", low: -Math.PI, high: Math.PI }
  const { explained, shares } = sharesOf(
    [axis, axis, axis],
    3000,
    (x, y, z) => Math.sin(x!) + 7 * Math.sin(y!) ** 2 + 0.1 * z! ** 4 * Math.sin(x!)
  )
  assert.isAbove(explained, 0.85)
  assert.closeTo(shares[0]!, 0.314, 0.12)
  assert.closeTo(shares[1]!, 0.442, 0.12)
  assert.isBelow(shares[2]!, 0.05)
  assert.closeTo(1 - shares[0]! - shares[1]! - shares[2]!, 0.244, 0.12)
})

it("shares of a sum of numbers are the variances of its terms", () => {
  const { shares } = sharesOf([unit, unit], 1000, (x, y) => 2 * x! + y!)
  assert.closeTo(shares[0]!, 0.8, 0.03)
  assert.closeTo(shares[1]!, 0.2, 0.03)
})

it("categories count by their means and not by their numbers", () => {
  const { shares } = sharesOf(
    [{ kind: "category", size: 4 }, unit],
    1000,
    (category, x) => [3, 0, 3, 0][category!]! + Math.sqrt(12) * x!
  )
  // Variances: 9/4 of the categories, 1 of the number.
  assert.closeTo(shares[0]!, 2.25 / 3.25, 0.04)
  assert.closeTo(shares[1]!, 1 / 3.25, 0.04)
})

it("what is chance explains nothing that was not seen", () => {
  assert.isBelow(sharesOf([unit, unit], 300, () => draw()).explained, 0.12)
})
