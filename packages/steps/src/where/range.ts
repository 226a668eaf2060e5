/** Rows by position, from 0: the end is not in it. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** `0..1000`, `1000..`, `..500`; undefined where it is none, or empty. */
export const rangeOf = (text: string): Range | undefined => {
  const match = /^(\d*)\.\.(\d*)$/u.exec(text)
  if (match === null) return undefined
  const [start, end] = [match[1] === "" ? 0 : Number(match[1]), match[2] === "" ? Infinity : Number(match[2])]
  return start < end ? { start, end } : undefined
}
