/**
 * Rows in groups of one score, highest first: what ranking measures read. Made once, so that resamples of the rows cost no sorting.
 */
export interface Ranking {
  /** [N] rows, by score from the highest */
  readonly order: Int32Array
  /** Where groups of equal scores end in `order`, ascending; the last is N. */
  readonly ends: Int32Array
  /** [N] 1 for a row of the class */
  readonly truth: Uint8Array
}

/** @param scores [N] */
export const rankingOf = (truth: Uint8Array, scores: Float64Array): Ranking => {
  const order = Int32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!)
  const ends: Array<number> = []
  for (let at = 1; at <= order.length; at++)
    if (at === order.length || scores[order[at]!] !== scores[order[at - 1]!]) ends.push(at)
  return { order, ends: Int32Array.from(ends), truth }
}

/** Calls back for each group of equal scores with how many of its rows are of the class and how many are not. */
const eachGroup = (
  { ends, order, truth }: Ranking,
  counts: Float64Array | undefined,
  visit: (own: number, others: number) => void
): void => {
  let at = 0
  for (const end of ends) {
    let [own, others] = [0, 0]
    for (; at < end; at++) {
      const row = order[at]!
      const count = counts === undefined ? 1 : counts[row]!
      if (truth[row] === 1) own += count
      else others += count
    }
    visit(own, others)
  }
}

/**
 * The probability that a row of the class scores above one that is not, equal scores counting half. NaN where a side has no row.
 * Source: Mann and Whitney 1947; scikit-learn's `roc_auc_score`.
 *
 * @param counts [N] how often each row stands; left out, once
 */
export const areaUnderRoc = (ranking: Ranking, counts?: Float64Array): number => {
  let [above, below, area] = [0, 0, 0]
  eachGroup(ranking, counts, (own, others) => {
    area += others * (above + own / 2)
    above += own
    below += others
  })
  return area / (above * below)
}

/**
 * Precision at each score that a row of the class has, averaged over those rows: the area under the precision-recall steps. NaN where no
 * row is of the class. Source: scikit-learn's `average_precision_score`.
 *
 * @param counts as above
 */
export const averagePrecision = (ranking: Ranking, counts?: Float64Array): number => {
  let [hits, seen, sum] = [0, 0, 0]
  eachGroup(ranking, counts, (own, others) => {
    hits += own
    seen += own + others
    if (own > 0) sum += (own * hits) / seen
  })
  return sum / hits
}
