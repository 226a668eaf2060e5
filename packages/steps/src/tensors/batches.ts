/** A pseudo-random number generator with 32 bits of state (mulberry32): for orders and masks, never for weights or dropout. */
export const generator = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const shuffle = <A>(items: Array<A>, random: () => number): Array<A> => {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const kept = items[last]!
    items[last] = items[other]!
    items[other] = kept
  }
  return items
}

/**
 * Rows are sorted by length within groups of so many batches: 50, but a quarter of an epoch at most, as transformers' LengthGroupedSampler
 * has it. Sorted as a whole, a small set would give the same neighbours in every epoch.
 */
const groupBatches = (rows: number, batchSize: number): number =>
  Math.max(1, Math.min(Math.floor(rows / (4 * batchSize)), 50))

export interface Order {
  /** uint32 */
  readonly seed: number
  /** From 0. */
  readonly epoch: number
  readonly batch_size: number
  readonly group_by_length: boolean
  /** [rows] the class of each: as many rows are drawn as there are, each class equally often. Left out: every row once. */
  readonly balance?: ArrayLike<number> | undefined
}

/**
 * The batches of one epoch: every row once (or drawn by class), the last batch perhaps smaller. A pure function of the lengths, the seed and the
 * epoch, so that a resumed training needs no state of a generator.
 * @returns row indices
 */
export const epochBatches = (lengths: ArrayLike<number>, order: Order): ReadonlyArray<ReadonlyArray<number>> => {
  const random = generator((order.seed ^ Math.imul(order.epoch + 1, 0x9e3779b1)) >>> 0)
  const every = Array.from({ length: lengths.length }, (_, row) => row)
  const rows = shuffle(order.balance === undefined ? every : drawnByClass(every, order.balance, random), random)
  if (!order.group_by_length) return inBatches(rows, order.batch_size)
  const groups = inBatches(rows, order.batch_size * groupBatches(rows.length, order.batch_size))
  // The sort is stable: rows of one length stay shuffled. In the order of the file they would meet its neighbours, which often share a label.
  const batches = groups.flatMap((group) => inBatches(group.toSorted(longestFirst(lengths)), order.batch_size))
  return shuffle(batches, random)
}

/** As many rows, classes in turn; of each class all rows in a random order before any comes again. */
const drawnByClass = (rows: ReadonlyArray<number>, classes: ArrayLike<number>, random: () => number): Array<number> => {
  const groups = [...Map.groupBy(rows, (row) => classes[row]!).entries()]
    .sort(([a], [b]) => a - b)
    .map(([, own]) => own)
  const waiting: Array<Array<number>> = groups.map(() => [])
  return rows.map((_, at) => {
    const group = at % groups.length
    if (waiting[group]!.length === 0) waiting[group] = shuffle([...groups[group]!], random)
    return waiting[group]!.pop()!
  })
}

/** Rows in the order of their lengths, longest first: an evaluation meets its largest batch at once. */
export const evaluationBatches = (
  lengths: ArrayLike<number>,
  batchSize: number
): ReadonlyArray<ReadonlyArray<number>> =>
  inBatches(Array.from({ length: lengths.length }, (_, row) => row).sort(longestFirst(lengths)), batchSize)

const longestFirst = (lengths: ArrayLike<number>) => (a: number, b: number) => lengths[b]! - lengths[a]!

const inBatches = <A>(items: ReadonlyArray<A>, size: number): Array<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, batch) => items.slice(batch * size, (batch + 1) * size))

/** The length that a batch is padded to: its longest row, rounded up to a multiple of 8, which keeps the shapes few. */
export const paddedLength = (lengths: ReadonlyArray<number>): number => Math.ceil(Math.max(1, ...lengths) / 8) * 8
