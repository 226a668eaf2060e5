/** The value in the middle, or the mean of the two there. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const least = (values: ReadonlyArray<number>): number => Math.min(...values)

export const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
