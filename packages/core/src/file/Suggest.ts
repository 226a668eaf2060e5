import { distance } from "fastest-levenshtein"

const letters = (name: string) => [...name].sort().join("")

/** How far off: edits, where letters in the wrong order (`sede` for `seed`) count as one. */
const misspelling = (a: string, b: string): number => {
  const d = distance(a, b)
  return d === 2 && letters(a) === letters(b) ? 1 : d
}

/** The known name nearest to a misspelt one, if it is near enough to be what was meant. */
export const nearest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  let best: string | undefined
  let least = Infinity
  for (const candidate of known) {
    const d = misspelling(name.toLowerCase(), candidate.toLowerCase())
    if (d < least) [best, least] = [candidate, d]
  }
  return best !== undefined && least <= Math.max(1, Math.floor(Math.max(name.length, best.length) / 3))
    ? best
    : undefined
}

/** "did you mean `x`?", else "write one of: a, b, c". */
export const suggest = (name: string, known: ReadonlyArray<string>): string => {
  const near = nearest(name, known)
  if (near !== undefined) return `did you mean \`${near}\`?`
  if (known.length === 0) return "nothing may stand here"
  const listed = known.slice(0, 20).join(", ")
  return `write one of: ${listed}${known.length > 20 ? `, ... (${known.length} in all)` : ""}`
}
