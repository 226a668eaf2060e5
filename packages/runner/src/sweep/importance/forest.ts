/** One thing that differs between points: a number within bounds, or one of `size` categories (0 to size - 1). */
export type Axis =
  | { readonly kind: "number"; readonly low: number; readonly high: number }
  | { readonly kind: "category"; readonly size: number }

/** A place on every axis, in their order. */
export type Point = ReadonlyArray<number>

interface Leaf {
  readonly value: number
}

interface Split {
  readonly axis: number
  /** Of a number: what is at most this goes left. Of a category: those that go left. */
  readonly left: number | ReadonlySet<number>
  readonly low: Tree
  readonly high: Tree
}

export type Tree = Leaf | Split

interface Grown {
  readonly tree: Tree
  /** How often it has seen each point. */
  readonly seen: Int32Array
}

export interface Forest {
  readonly axes: ReadonlyArray<Axis>
  readonly trees: ReadonlyArray<Grown>
}

export const isSplit = (tree: Tree): tree is Split => "axis" in tree

export const goesLeft = ({ axis, left }: Split, point: Point): boolean =>
  typeof left === "number" ? point[axis]! <= left : left.has(point[axis]!)

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

interface Candidate {
  readonly left: Split["left"]
  /** How much the sum of squares falls. */
  readonly gain: number
}

/** The points as columns, and their values: a thousand trials are looked at some fifty times. */
interface Table {
  readonly axes: ReadonlyArray<Axis>
  readonly columns: ReadonlyArray<Float64Array>
  readonly values: Float64Array
  /** Of each row, the side of the split that is being made: written anew for each. */
  readonly sides: Uint8Array
}

/** What the sum of squares falls by where rows are parted into two sides, but for what both have in common. */
const parted = (left: number, leftSum: number, right: number, rightSum: number): number =>
  leftSum ** 2 / left + rightSum ** 2 / right

/** The cut of a number's axis that leaves the least squared error; rows at one place stay together. */
const splitOfNumber = (places: Float64Array, values: Float64Array, rows: Int32Array): Candidate | undefined => {
  let sum = 0
  for (const row of rows) sum += values[row]!
  let [best, cut, leftSum] = [-Infinity, 0, 0]
  for (let at = 1; at < rows.length; at++) {
    const before = rows[at - 1]!
    leftSum += values[before]!
    if (places[before] === places[rows[at]!]) continue
    const gain = parted(at, leftSum, rows.length - at, sum - leftSum)
    if (gain > best) [best, cut] = [gain, at]
  }
  if (cut === 0) return undefined
  return { left: (places[rows[cut - 1]!]! + places[rows[cut]!]!) / 2, gain: best - sum ** 2 / rows.length }
}

/**
 * The categories that go left so that the least squared error is left: in the order of their means, in which the best of all subsets is
 * a cut (Breiman et al. 1984, 9.4).
 */
const splitOfCategories = (
  size: number,
  places: Float64Array,
  values: Float64Array,
  rows: Int32Array
): Candidate | undefined => {
  const [counts, sums] = [new Int32Array(size), new Float64Array(size)]
  let sum = 0
  for (const row of rows) {
    const place = places[row]!
    counts[place]! += 1
    sums[place]! += values[row]!
    sum += values[row]!
  }
  const met = [...counts.keys()].filter((place) => counts[place]! > 0)
  met.sort((a, b) => sums[a]! / counts[a]! - sums[b]! / counts[b]!)
  let [best, cut, left, leftSum] = [-Infinity, 0, 0, 0]
  for (let at = 1; at < met.length; at++) {
    left += counts[met[at - 1]!]!
    leftSum += sums[met[at - 1]!]!
    const gain = parted(left, leftSum, rows.length - left, sum - leftSum)
    if (gain > best) [best, cut] = [gain, at]
  }
  return cut === 0 ? undefined : { left: new Set(met.slice(0, cut)), gain: best - sum ** 2 / rows.length }
}

/** Rows at which a node is split no further, and axes that a split looks at: those of Hutter's fANOVA. */
const smallestSplit = 4
const looksAt = (axes: number): number => Math.max(1, Math.ceil((5 / 6) * axes))

const chosen = (count: number, of: number, draw: () => number): ReadonlyArray<number> => {
  const all = Array.from({ length: of }, (_, at) => at)
  for (let at = 0; at < count; at++) {
    const other = at + Math.floor(draw() * (of - at))
    ;[all[at], all[other]] = [all[other]!, all[at]!]
  }
  return all.slice(0, count)
}

/** The rows of one side, in their order. */
const sideOf = (order: Int32Array, sides: Uint8Array, side: 0 | 1, count: number): Int32Array => {
  const rows = new Int32Array(count)
  let at = 0
  for (const row of order) if (sides[row] === side) rows[at++] = row
  return rows
}

/** Rows as often as they were drawn, in their order. */
const repeated = (rows: Int32Array, counts: Int32Array): Int32Array => {
  const drawn = new Int32Array(rows.length)
  let at = 0
  for (const row of rows) for (let times = counts[row]!; times > 0; times--) drawn[at++] = row
  return drawn
}

/** @param orders the rows in their order along each axis: parted with every split */
const grow = (table: Table, orders: ReadonlyArray<Int32Array>, draw: () => number): Tree => {
  const { axes, columns, sides, values } = table
  const rows = orders[0]!
  const leaf = { value: rows.reduce((sum, row) => sum + values[row]!, 0) / rows.length }
  if (rows.length < smallestSplit) return leaf
  let best: (Candidate & { readonly axis: number }) | undefined
  for (const at of chosen(looksAt(axes.length), axes.length, draw)) {
    const axis = axes[at]!
    const found =
      axis.kind === "number"
        ? splitOfNumber(columns[at]!, values, orders[at]!)
        : splitOfCategories(axis.size, columns[at]!, values, orders[at]!)
    if (found !== undefined && found.gain > (best?.gain ?? 1e-12)) best = { ...found, axis: at }
  }
  if (best === undefined) return leaf
  const { axis, left } = best
  const places = columns[axis]!
  let leftRows = 0
  for (const row of rows) {
    const goes = typeof left === "number" ? places[row]! <= left : left.has(places[row]!)
    sides[row] = goes ? 1 : 0
    if (goes) leftRows += 1
  }
  const low = orders.map((order) => sideOf(order, sides, 1, leftRows))
  const high = orders.map((order) => sideOf(order, sides, 0, rows.length - leftRows))
  return { axis, left, low: grow(table, low, draw), high: grow(table, high, draw) }
}

/** A forest of regression trees (Breiman 2001), each grown on as many points drawn with replacement. */
export const growForest = (
  axes: ReadonlyArray<Axis>,
  points: ReadonlyArray<Point>,
  values: ReadonlyArray<number>,
  trees: number,
  draw: () => number
): Forest => {
  const columns = axes.map((_, at) => Float64Array.from(points, (point) => point[at]!))
  const table = { axes, columns, values: Float64Array.from(values), sides: new Uint8Array(points.length) }
  const all = Int32Array.from(points.keys())
  const sorted = columns.map((places) => all.toSorted((a, b) => places[a]! - places[b]!))
  return {
    axes,
    trees: Array.from({ length: trees }, () => {
      const seen = new Int32Array(points.length)
      for (let drawn = 0; drawn < points.length; drawn++) seen[Math.floor(draw() * points.length)]! += 1
      const orders = sorted.map((rows) => repeated(rows, seen))
      return { tree: grow(table, orders, draw), seen }
    })
  }
}

const valueIn = (tree: Tree, point: Point): number => {
  let at = tree
  while (isSplit(at)) at = goesLeft(at, point) ? at.low : at.high
  return at.value
}

/**
 * The share of the variance that the forest explains of points that a tree has not seen (out of bag); below 0 where it is worse
 * than the mean, and 0 where the values do not differ.
 */
export const explainedUnseen = (
  { trees }: Forest,
  points: ReadonlyArray<Point>,
  values: ReadonlyArray<number>
): number => {
  const all = mean(values)
  let error = 0
  let spread = 0
  points.forEach((point, row) => {
    const unseen = trees.filter(({ seen }) => seen[row] === 0).map(({ tree }) => valueIn(tree, point))
    if (unseen.length === 0) return
    error += (mean(unseen) - values[row]!) ** 2
    spread += (all - values[row]!) ** 2
  })
  return spread === 0 ? 0 : 1 - error / spread
}
