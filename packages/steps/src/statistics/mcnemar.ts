/**
 * McNemar's exact test, two-sided: how likely a split of the discordant pairs at least as uneven as this is, were both directions
 * equally likely. 1 where there is no discordant pair.
 *
 * @param broken pairs that only the first gets right
 * @param fixed pairs that only the second gets right
 */
export const mcnemarExact = (broken: number, fixed: number): number => {
  const pairs = broken + fixed
  const fewer = Math.min(broken, fixed)
  // Terms of the binomial (pairs, 1/2) in logarithms: 2^-pairs alone leaves float64 beyond 1074 pairs.
  let logTerm = -pairs * Math.LN2
  let tail = Math.exp(logTerm)
  for (let k = 1; k <= fewer; k++) {
    logTerm += Math.log((pairs - k + 1) / k)
    tail += Math.exp(logTerm)
  }
  return Math.min(1, 2 * tail)
}
