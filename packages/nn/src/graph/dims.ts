/**
 * Sizes of tensors, known or not yet known.
 *
 * A dim is a number, or a product of symbols in canonical spelling: "batch", "batch*length", "12*batch", "batch*length/8". Products
 * are all that flattening and splitting of axes ever need, so there are no sums; a quotient is always without remainder.
 */
export type Dim = number | string
export type Shape = ReadonlyArray<Dim>
export type Sizes = Readonly<Record<string, number>>

interface Parts {
  coefficient: number
  readonly symbols: Array<string>
  divisor: number
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

function partsOf(dims: Shape): Parts {
  const parts: Parts = { coefficient: 1, symbols: [], divisor: 1 }
  for (const dim of dims) {
    if (typeof dim === "number") parts.coefficient *= dim
    else {
      const [above, below = "1"] = dim.split("/") as [string, string?]
      parts.divisor *= Number(below)
      for (const factor of above.split("*")) {
        if (/^\d+$/.test(factor)) parts.coefficient *= Number(factor)
        else parts.symbols.push(factor)
      }
    }
  }
  return parts
}

function spelled({ coefficient, divisor, symbols }: Parts): Dim {
  const common = gcd(coefficient, divisor)
  const [above, below] = [coefficient / common, divisor / common]
  if (symbols.length === 0 || coefficient === 0) {
    if (below !== 1 && coefficient !== 0) throw new Error(`${coefficient} is no multiple of ${divisor}`)
    return above
  }
  const product = symbols.toSorted().join("*")
  return `${above === 1 ? "" : `${above}*`}${product}${below === 1 ? "" : `/${below}`}`
}

/** The product of dims, canonical: the coefficient first, then the symbols sorted, then what divides them. */
export const product = (dims: Shape): Dim => spelled(partsOf(dims))

/** An equal part of a dim. Throws where a number leaves a remainder; of a symbol this shows when it gets its size. */
export function dividedBy(dim: Dim, parts: number): Dim {
  const of = partsOf([dim])
  return spelled({ ...of, divisor: of.divisor * parts })
}

/** The factors of a dim, and what they are divided by. */
export function factorsOf(dim: string): { readonly factors: ReadonlyArray<Dim>; readonly divisor: number } {
  const { coefficient, divisor, symbols } = partsOf([dim])
  return { factors: coefficient === 1 ? symbols : [coefficient, ...symbols], divisor }
}

/** The number that a dim stands for. Throws when a symbol has no size, or is not divided without remainder. */
export function bindDim(dim: Dim, sizes: Sizes): number {
  if (typeof dim === "number") return dim
  const { coefficient, divisor, symbols } = partsOf([dim])
  let result = coefficient
  for (const symbol of symbols) {
    const value = sizes[symbol]
    if (value === undefined) throw new Error(`the size of "${symbol}" is not known`)
    result *= value
  }
  if (result % divisor !== 0) throw new Error(`${dim}: ${result} is no multiple of ${divisor}`)
  return result / divisor
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
