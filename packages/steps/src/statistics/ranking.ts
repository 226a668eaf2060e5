import { ranks } from "./regression.ts"

/**
 * The probability that a row of the class scores above one that is not, equal scores counting half. NaN where a side has no row.
 * Source: Mann and Whitney 1947; scikit-learn's `roc_auc_score`.
 *
 * @param truth [N] 1 for a row of the class
 * @param scores [N]
 */
export const areaUnderRoc = (truth: ArrayLike<number>, scores: Float64Array): number => {
  const place = ranks(scores)
  let [own, sum] = [0, 0]
  for (let row = 0; row < scores.length; row++) {
    if (truth[row] !== 1) continue
    own++
    sum += place[row]!
  }
  return (sum - (own * (own + 1)) / 2) / (own * (scores.length - own))
}

/**
 * Precision at each score that a row of the class has, averaged over those rows: the area under the precision-recall steps. NaN where no
 * row is of the class. Source: scikit-learn's `average_precision_score`.
 */
export const averagePrecision = (truth: ArrayLike<number>, scores: Float64Array): number => {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!)
  let [hits, own, sum] = [0, 0, 0]
  for (let from = 0; from < order.length; ) {
    let to = from
    let here = 0
    for (; to < order.length && scores[order[to]!] === scores[order[from]!]; to++) here += truth[order[to]!] === 1 ? 1 : 0
    hits += here
    own += here
    sum += here === 0 ? 0 : (here * hits) / to
    from = to
  }
  return sum / own
}
