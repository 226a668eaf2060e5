/**
 * Sizes of tensors, known or not yet known.
 *
 * A dim is a number, or a product of symbols in canonical spelling: "batch", "batch*length", "12*batch".
 * Products are all that flattening and splitting of axes ever need, so there are no sums.
 */
export type Dim = number | string
export type Shape = ReadonlyArray<Dim>
export type Sizes = Readonly<Record<string, number>>

/** The product of dims, canonical: the coefficient first, then the symbols sorted. */
export function product(dims: Shape): Dim {
  let coefficient = 1
  const symbols: Array<string> = []
  for (const dim of dims) {
    if (typeof dim === "number") coefficient *= dim
    else {
      for (const factor of dim.split("*")) {
        if (/^\d+$/.test(factor)) coefficient *= Number(factor)
        else symbols.push(factor)
      }
    }
  }
  if (symbols.length === 0 || coefficient === 0) return coefficient
  symbols.sort()
  return coefficient === 1 ? symbols.join("*") : `${coefficient}*${symbols.join("*")}`
}

/** The number that a dim stands for. Throws when a symbol has no size. */
export function bindDim(dim: Dim, sizes: Sizes): number {
  if (typeof dim === "number") return dim
  let result = 1
  for (const factor of dim.split("*")) {
    const value = /^\d+$/.test(factor) ? Number(factor) : sizes[factor]
    if (value === undefined) throw new Error(`the size of "${factor}" is not known`)
    result *= value
  }
  return result
}

export const bindShape = (shape: Shape, sizes: Sizes): Array<number> => shape.map((dim) => bindDim(dim, sizes))

/** A broadcast of two shapes as NumPy does it; symbols must be equal, or face a 1. */
export function broadcast(a: Shape, b: Shape): Array<Dim> {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left === right || right === 1) return left
    if (left === 1) return right
    throw new Error(`shapes [${a.join(", ")}] and [${b.join(", ")}] do not broadcast`)
  })
}
