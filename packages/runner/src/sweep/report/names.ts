/** The shortest ends of paths that tell them apart: `learning_rate` for `tuned.learning_rate` where no other path ends so. */
export const shortNames = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const endOf = (path: string, parts: number) => path.split(".").slice(-parts).join(".")
  return paths.map((path) => {
    for (let parts = 1; ; parts++) {
      const name = endOf(path, parts)
      if (name === path || paths.every((other) => other === path || endOf(other, parts) !== name)) return name
    }
  })
}

/** `validation_accuracy` of `tuned.validation_accuracy`. */
export const lastPart = (path: string): string => path.slice(path.lastIndexOf(".") + 1)

/** A number in four digits: 0.8412, 3e-4, 1200. */
export const numberText = (value: number): string => {
  if (value === 0 || Number.isInteger(value))
    return Math.abs(value) < 1e6 ? String(value) : value.toExponential().replace("e+", "e")
  const size = Math.abs(value)
  if (size >= 1e-3 && size < 1e6) return String(Number(value.toPrecision(4)))
  return value
    .toExponential(3)
    .replace(/\.?0+e/u, "e")
    .replace("e+", "e")
}

/** A param's value in little room, nothing where it has none: `partial(last_blocks: 2)` for `{ partial: { last_blocks: 2 } }`. */
export const valueText = (value: unknown): string => {
  if (value === undefined) return ""
  if (typeof value === "number") return numberText(value)
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`
  if (typeof value !== "object" || value === null) return String(value)
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && typeof first![1] === "object" && first![1] !== null && !Array.isArray(first![1])) {
    const inner = Object.entries(first![1]).map(([key, value]) => `${key}: ${valueText(value)}`)
    return `${first![0]}(${inner.join(", ")})`
  }
  return entries.map(([key, value]) => `${key}: ${valueText(value)}`).join(", ")
}
