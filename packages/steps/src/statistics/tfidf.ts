import type { SparseRows } from "./designMatrix.ts"

export interface TfidfOptions {
  /** Longest run of words that is a term: 2 takes single words and pairs. */
  readonly ngrams: 1 | 2
  /** Rows a term must occur in. */
  readonly minRows: number
  /** 1 + ln(count) in place of the count. */
  readonly sublinear: boolean
}

/** Terms and their weights, learned from some texts. */
export interface Tfidf {
  /** Sorted by code unit. */
  readonly terms: ReadonlyArray<string>
  /** [N, terms] of further texts; terms that were not learned are left out, rows have length 1 or are empty. */
  readonly transform: (texts: ReadonlyArray<string>) => SparseRows
}

/**
 * Words weighted by how rare they are: ln((1 + N) / (1 + rows with the term)) + 1, rows scaled to length 1.
 * Source: scikit-learn's `TfidfVectorizer` with its own defaults (lower case, words of two and more letters, digits or
 * underscores, smooth weights, L2).
 */
export const fitTfidf = (texts: ReadonlyArray<string>, options: TfidfOptions): Tfidf => {
  const rowsWith = new Map<string, number>()
  for (const text of texts) {
    for (const term of new Set(termsOf(text, options.ngrams))) rowsWith.set(term, (rowsWith.get(term) ?? 0) + 1)
  }
  const terms = [...rowsWith.keys()].filter((term) => rowsWith.get(term)! >= options.minRows).sort()
  const columns = new Map(terms.map((term, at) => [term, at]))
  const weights = Float64Array.from(terms, (term) => Math.log((1 + texts.length) / (1 + rowsWith.get(term)!)) + 1)
  return { terms, transform: (others) => transform(others, columns, weights, options) }
}

const transform = (
  texts: ReadonlyArray<string>,
  columns: ReadonlyMap<string, number>,
  weights: Float64Array,
  options: TfidfOptions
): SparseRows => {
  const offsets = new Int32Array(texts.length + 1)
  const columnIndices: Array<number> = []
  const values: Array<number> = []
  texts.forEach((text, row) => {
    const counts = new Map<number, number>()
    for (const term of termsOf(text, options.ngrams)) {
      const column = columns.get(term)
      if (column !== undefined) counts.set(column, (counts.get(column) ?? 0) + 1)
    }
    const entries = [...counts].sort(([a], [b]) => a - b)
    const weighted = entries.map(
      ([column, count]) => (options.sublinear ? 1 + Math.log(count) : count) * weights[column]!
    )
    const length = Math.sqrt(weighted.reduce((sum, value) => sum + value * value, 0))
    entries.forEach(([column], at) => {
      columnIndices.push(column)
      values.push(weighted[at]! / length)
    })
    offsets[row + 1] = columnIndices.length
  })
  return {
    offsets,
    columnIndices: Int32Array.from(columnIndices),
    values: Float64Array.from(values),
    columns: columns.size
  }
}

const WORDS = /[\p{L}\p{N}_]{2,}/gu

/** The words of a text in lower case, and with `ngrams` 2 each two that follow one another. */
const termsOf = (text: string, ngrams: 1 | 2): ReadonlyArray<string> => {
  const words = text.toLowerCase().match(WORDS) ?? []
  if (ngrams === 1) return words
  return [...words, ...words.slice(1).map((word, at) => `${words[at]} ${word}`)]
}
