import { type Axis, type Forest, isSplit, type Tree } from "./forest.ts"

/** The room of a leaf along one axis: an interval, or some categories. */
type Room = readonly [low: number, high: number] | ReadonlySet<number>

interface Box {
  readonly value: number
  readonly rooms: ReadonlyArray<Room>
  /** The share of each axis that it covers. */
  readonly shares: ReadonlyArray<number>
}

const isInterval = (room: Room): room is readonly [number, number] => Array.isArray(room)

const wholeOf = (axis: Axis): Room =>
  axis.kind === "number" ? [axis.low, axis.high] : new Set(Array.from({ length: axis.size }, (_, at) => at))

const shareOf = (axis: Axis, room: Room): number => {
  if (axis.kind === "category") return (room as ReadonlySet<number>).size / axis.size
  const [low, high] = room as readonly [number, number]
  return (high - low) / (axis.high - axis.low)
}

/** What lies left and right of a split. A category that the tree never met goes right, as it does when the tree is asked. */
const halves = (room: Room, left: number | ReadonlySet<number>): readonly [Room, Room] => {
  if (isInterval(room)) {
    const cut = left as number
    return [
      [room[0], cut],
      [cut, room[1]]
    ]
  }
  const taken = left as ReadonlySet<number>
  return [room.intersection(taken), room.difference(taken)]
}

/** The rooms of all leaves. */
const boxesOf = (axes: ReadonlyArray<Axis>, tree: Tree): ReadonlyArray<Box> => {
  const boxes: Array<Box> = []
  const visit = (at: Tree, rooms: ReadonlyArray<Room>, shares: ReadonlyArray<number>): void => {
    if (!isSplit(at)) {
      boxes.push({ value: at.value, rooms, shares })
      return
    }
    const [low, high] = halves(rooms[at.axis]!, at.left)
    for (const [side, room] of [[at.low, low] as const, [at.high, high] as const])
      visit(side, rooms.with(at.axis, room), shares.with(at.axis, shareOf(axes[at.axis]!, room)))
  }
  visit(
    tree,
    axes.map(wholeOf),
    axes.map(() => 1)
  )
  return boxes
}

/** The share of the space that a box covers, or of the axes but one. */
const volume = ({ shares }: Box, but = -1): number =>
  shares.reduce((all, share, at) => (at === but ? all : all * share), 1)

/** The mean over all other axes at each place of one: pieces of it with their share of the axis. */
const marginal = (
  axis: Axis,
  at: number,
  boxes: ReadonlyArray<Box>
): ReadonlyArray<{ readonly share: number; readonly mean: number }> => {
  const weight = (box: Box) => box.value * volume(box, at)
  if (axis.kind === "category") {
    const means = Array.from({ length: axis.size }, () => 0)
    for (const box of boxes)
      for (const category of box.rooms[at] as ReadonlySet<number>) means[category]! += weight(box)
    return means.map((mean) => ({ share: 1 / axis.size, mean }))
  }
  const steps = new Map<number, number>()
  const step = (place: number, by: number) => steps.set(place, (steps.get(place) ?? 0) + by)
  for (const box of boxes) {
    const [low, high] = box.rooms[at] as readonly [number, number]
    const mean = weight(box)
    step(low, mean)
    step(high, -mean)
  }
  const places = [...steps.keys()].sort((a, b) => a - b)
  let mean = 0
  return places.slice(0, -1).map((place, piece) => {
    mean += steps.get(place)!
    return { share: shareOf(axis, [place, places[piece + 1]!]), mean }
  })
}

/** A variance, and how much of it each axis makes alone. What is left is due to axes acting together. */
export interface Decomposition {
  readonly variance: number
  readonly alone: ReadonlyArray<number>
}

/**
 * The functional ANOVA of a forest over the whole space, all of it equally likely: variances of the trees' marginals, summed over trees.
 *
 * Source: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014.
 */
export const decompose = ({ axes, trees }: Forest): Decomposition => {
  const alone = axes.map(() => 0)
  let variance = 0
  for (const { tree } of trees) {
    const boxes = boxesOf(axes, tree)
    const mean = boxes.reduce((sum, box) => sum + volume(box) * box.value, 0)
    variance += boxes.reduce((sum, box) => sum + volume(box) * (box.value - mean) ** 2, 0)
    axes.forEach((axis, at) => {
      for (const piece of marginal(axis, at, boxes)) alone[at]! += piece.share * (piece.mean - mean) ** 2
    })
  }
  return { variance, alone }
}
