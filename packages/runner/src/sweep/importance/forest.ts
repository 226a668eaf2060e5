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
  /** Which points it has seen. */
  readonly seen: ReadonlySet<number>
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

/** A group of rows that no cut parts. */
interface Group {
  readonly place: number
  rows: number
  sum: number
}

/** The cut between groups, in their order, that leaves the least squared error: how many lie left of it. */
const bestCut = (groups: ReadonlyArray<Group>): { readonly groups: number; readonly gain: number } | undefined => {
  let [rows, sum] = [0, 0]
  for (const group of groups) [rows, sum] = [rows + group.rows, sum + group.sum]
  let best: { groups: number; gain: number } | undefined
  let [left, leftSum] = [0, 0]
  for (let at = 1; at < groups.length; at++) {
    left += groups[at - 1]!.rows
    leftSum += groups[at - 1]!.sum
    const gain = leftSum ** 2 / left + (sum - leftSum) ** 2 / (rows - left) - sum ** 2 / rows
    if (best === undefined || gain > best.gain) best = { groups: at, gain }
  }
  return best
}

/** Rows in their order along an axis, those at one place together. */
const grouped = (
  rows: ReadonlyArray<number>,
  at: number,
  points: ReadonlyArray<Point>,
  values: ReadonlyArray<number>
): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  for (const row of rows) {
    const place = points[row]![at]!
    let group = groups.at(-1)
    if (group?.place !== place) groups.push((group = { place, rows: 0, sum: 0 }))
    group.rows += 1
    group.sum += values[row]!
  }
  return groups
}

/**
 * The split of some rows, in their order along one axis, that leaves the least squared error. Categories are put in the order of
 * their means first, in which the best of all subsets is a cut (Breiman et al. 1984, 9.4).
 */
const splitAlong = (axis: Axis, groups: ReadonlyArray<Group>): Candidate | undefined => {
  const sorted = axis.kind === "number" ? groups : groups.toSorted((a, b) => a.sum / a.rows - b.sum / b.rows)
  const cut = bestCut(sorted)
  if (cut === undefined) return undefined
  const left =
    axis.kind === "number"
      ? (sorted[cut.groups - 1]!.place + sorted[cut.groups]!.place) / 2
      : new Set(sorted.slice(0, cut.groups).map(({ place }) => place))
  return { left, gain: cut.gain }
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

/** @param orders the rows in their order along each axis: sorted once a tree, and parted with every split */
const grow = (
  axes: ReadonlyArray<Axis>,
  points: ReadonlyArray<Point>,
  values: ReadonlyArray<number>,
  orders: ReadonlyArray<ReadonlyArray<number>>,
  draw: () => number
): Tree => {
  const rows = orders[0]!
  const leaf = { value: mean(rows.map((row) => values[row]!)) }
  if (rows.length < smallestSplit) return leaf
  let best: (Candidate & { readonly axis: number }) | undefined
  for (const at of chosen(looksAt(axes.length), axes.length, draw)) {
    const found = splitAlong(axes[at]!, grouped(orders[at]!, at, points, values))
    if (found !== undefined && found.gain > (best?.gain ?? 1e-12)) best = { ...found, axis: at }
  }
  if (best === undefined) return leaf
  const { axis, left } = best
  const split = { axis, left, low: leaf, high: leaf }
  const side = (isLeft: boolean) => {
    const part = orders.map((order) => order.filter((row) => goesLeft(split, points[row]!) === isLeft))
    return grow(axes, points, values, part, draw)
  }
  return { axis, left, low: side(true), high: side(false) }
}

/** A forest of regression trees (Breiman 2001), each grown on as many points drawn with replacement. */
export const growForest = (
  axes: ReadonlyArray<Axis>,
  points: ReadonlyArray<Point>,
  values: ReadonlyArray<number>,
  trees: number,
  draw: () => number
): Forest => ({
  axes,
  trees: Array.from({ length: trees }, () => {
    const rows = points.map(() => Math.floor(draw() * points.length))
    const orders = axes.map((_, at) => rows.toSorted((a, b) => points[a]![at]! - points[b]![at]!))
    return { tree: grow(axes, points, values, orders, draw), seen: new Set(rows) }
  })
})

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
    const unseen = trees.filter(({ seen }) => !seen.has(row)).map(({ tree }) => valueIn(tree, point))
    if (unseen.length === 0) return
    error += (mean(unseen) - values[row]!) ** 2
    spread += (all - values[row]!) ** 2
  })
  return spread === 0 ? 0 : 1 - error / spread
}
