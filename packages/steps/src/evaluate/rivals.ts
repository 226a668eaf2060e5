import { sparseMatrix } from "../statistics/designMatrix.ts"
import { fitTfidf } from "../statistics/tfidf.ts"
import type { Targets } from "../tensors/targets.ts"
import { linearModel } from "./linearModel.ts"

/** Labelled texts: what a rival is fitted on. */
export interface LabelledTexts {
  readonly texts: ReadonlyArray<string>
  readonly targets: Targets
}

/**
 * What a rival says that looks at no text: the share of each class or label among the rows fitted on, or the mean of their numbers.
 * @returns float32 [rows, classes]
 */
export const majorityScores = ({ targets }: LabelledTexts, rows: number, classes: number): Float32Array => {
  const shares = sharesOf(targets, classes)
  return Float32Array.from({ length: rows * classes }, (_, at) => shares[at % classes]!)
}

const sharesOf = (targets: Targets, classes: number): Float64Array => {
  const shares = new Float64Array(classes)
  switch (targets.kind) {
    case "classes":
      for (const of of targets.classes) shares[of]! += 1 / targets.classes.length
      break
    case "several":
      targets.values.forEach((value, at) => (shares[at % classes]! += (value * classes) / targets.values.length))
      break
    case "value":
      for (const value of targets.values) shares[0]! += value / targets.values.length
  }
  return shares
}

/**
 * Words and pairs of words that two texts share, 1 + ln(count), and a light penalty: over four samples of 1 000 IMDB reviews the
 * best of sixteen common settings (84.6 % where plain counts of single words with C = 1 reach 81.5 %). A rival should be at its best.
 */
const TERMS = { ngrams: 2, minRows: 2, sublinear: true } as const
const STRENGTH = { C: 10, alpha: 1 } as const

export interface BagOfWords {
  /** float32 [rows, classes] */
  readonly scores: Float32Array
  readonly terms: number
  readonly converged: boolean
}

/** TF-IDF and a linear model, fitted on whole texts: what a model must beat to be worth its while. */
export const bagOfWords = (fit: LabelledTexts, texts: ReadonlyArray<string>, classes: number): BagOfWords => {
  const words = fitTfidf(fit.texts, TERMS)
  const matrixOf = (of: ReadonlyArray<string>) => sparseMatrix(words.transform(of))
  const input = { fit: matrixOf(fit.texts), targets: fit.targets, classes, test: matrixOf(texts) }
  const { converged, scores } = linearModel(input, STRENGTH)
  return { scores, terms: words.terms.length, converged }
}
