import { paint, table } from "./Output.ts"

type Scores = Readonly<Record<string, number>>

interface Gap {
  readonly train_loss: number
  readonly validation_loss: number
  readonly gap: number
}

/** The facts of a `comparison` artifact (packages/steps/src/compare-to-base): what a person wants to know first. */
interface ComparisonFacts {
  readonly rows: number
  readonly predictors: Readonly<Record<"base" | "tuned" | "majority" | "bag_of_words", Scores | null>>
  readonly base_how: string
  readonly deltas: ReadonlyArray<{
    metric: string
    base: number
    tuned: number
    delta: number
    low: number | null
    high: number | null
  }>
  readonly confidence: number
  readonly p_value: number
  readonly fixed: number
  readonly broken: number
  /** Absent where the comparison was not given the history. */
  readonly overfitting?: Gap & { best_epoch: number }
  /** Absent where it was not given both models; `relative` is null for a part that the base lacks. */
  readonly drift?: ReadonlyArray<{ part: string; relative: number | null }>
  readonly verdict: { passed: boolean; reasons: ReadonlyArray<string> } | null
}

const percent = (x: number | undefined) => (x === undefined ? "" : `${(100 * x).toFixed(1)} %`)
const signed = (x: number, digits: number) => `${x >= 0 ? "+" : ""}${x.toFixed(digits)}`

const titles = (facts: ComparisonFacts) =>
  [
    ["tuned", "the tuned model"],
    ["base", facts.base_how === "probe" ? "the base, probed on its frozen features" : "the base"],
    ["bag_of_words", "bag of words (TF-IDF and logistic regression)"],
    ["majority", "always the most frequent class"]
  ] as const

const scores = (facts: ComparisonFacts): string => {
  const rows = titles(facts).flatMap(([name, title]) => {
    const score = facts.predictors[name]
    if (score === null || score === undefined) return []
    const row = [
      title,
      percent(score["accuracy"]),
      score["f1_macro"]?.toFixed(3) ?? "",
      score["log_loss"]?.toFixed(3) ?? ""
    ]
    return [name === "tuned" ? row.map((cell) => paint("bold", cell)) : row]
  })
  return table(
    [["", "accuracy", "F1 macro", "log loss"].map((head) => paint("dim", head)), ...rows],
    ["left", "right", "right", "right"]
  )
}

const deltaLine = (facts: ComparisonFacts): string => {
  const accuracy = facts.deltas.find(({ metric }) => metric === "accuracy")
  if (accuracy === undefined) return ""
  const { delta, high, low } = accuracy
  const interval =
    low === null || high === null
      ? ""
      : ` (${percent(facts.confidence).replace(".0", "")} interval ${signed(100 * low, 1)} to ${signed(100 * high, 1)})`
  return `tuned against base: ${signed(100 * delta, 1)} points of accuracy${interval}; ${facts.fixed} rows fixed, ${facts.broken} broken, p ${facts.p_value < 0.001 ? facts.p_value.toExponential(1) : facts.p_value.toFixed(3)} (McNemar, exact)`
}

/** Whether a model was needed at all: bag of words beside the tuned one, said in words. */
const rivalLine = ({ predictors }: ComparisonFacts): ReadonlyArray<string> => {
  const words = predictors.bag_of_words?.["accuracy"]
  const tuned = predictors.tuned?.["accuracy"]
  if (words === undefined || tuned === undefined) return []
  const gap = 100 * (tuned - words)
  if (gap < 0)
    return [
      paint(
        "yellow",
        `a bag of words does better here, by ${(-gap).toFixed(1)} points: consider whether this model is needed`
      )
    ]
  return [`${gap.toFixed(1)} points above the bag of words on the same rows`]
}

const fitLines = ({ drift, overfitting }: ComparisonFacts): ReadonlyArray<string> => {
  const moved = (drift ?? []).flatMap(({ part, relative }) =>
    relative === null || relative === 0 ? [] : [`${part} ${(100 * relative).toFixed(2)} %`]
  )
  const losses = (gap: Gap) =>
    `train loss ${gap.train_loss.toFixed(3)}, validation loss ${gap.validation_loss.toFixed(3)}, gap ${signed(gap.gap, 3)}`
  return [
    ...(overfitting == null
      ? []
      : [`overfitting: ${losses(overfitting)}, at the weights kept (epoch ${overfitting.best_epoch})`]),
    ...(moved.length === 0 ? [] : [`weights moved: ${moved.join(", ")}`])
  ]
}

const verdictLine = ({ verdict }: ComparisonFacts): ReadonlyArray<string> => {
  if (verdict === null || verdict === undefined) return []
  const reasons = verdict.reasons.length > 0 ? `: ${verdict.reasons.join("; ")}` : ""
  return [verdict.passed ? paint("green", `verdict: passed${reasons}`) : paint("red", `verdict: failed${reasons}`)]
}

/** The comparison as it stands at the end of a run. */
export const renderComparison = (step: string, facts: Readonly<Record<string, unknown>>): string => {
  const comparison = facts as unknown as ComparisonFacts
  return [
    `${paint("bold", step)}: on ${comparison.rows} test rows`,
    scores(comparison),
    deltaLine(comparison),
    ...rivalLine(comparison),
    ...fitLines(comparison),
    ...verdictLine(comparison)
  ].join("\n")
}
