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
  /** Null where a prediction is neither right nor wrong: of numbers. */
  readonly p_value: number | null
  readonly fixed: number
  readonly broken: number
  /** What decides where an evaluation chose thresholds; null where the highest score does. */
  readonly thresholds?: Readonly<Record<"base" | "tuned", Readonly<Record<string, number>> | null>>
  /** Absent where the comparison was not given the history. */
  readonly overfitting?: Gap & { best_epoch: number }
  /** Absent where it was not given both models; `relative` is null for a part that the base lacks. */
  readonly drift?: ReadonlyArray<{ part: string; relative: number | null }>
  /** Absent where one training was compared. */
  readonly seeds?: { runs: number; metrics: ReadonlyArray<{ metric: string; mean: number; sd: number | null }> } | null
  readonly verdict: { passed: boolean; reasons: ReadonlyArray<string> } | null
}

const percent = (x: number | undefined) => (x === undefined ? "" : `${(100 * x).toFixed(1)} %`)
const signed = (x: number, digits: number) => `${x >= 0 ? "+" : ""}${x.toFixed(digits)}`

const isOfNumbers = ({ predictors }: ComparisonFacts): boolean => predictors["tuned"]?.["mae"] !== undefined

const titles = (facts: ComparisonFacts) =>
  [
    ["tuned", "the tuned model"],
    ["base", facts.base_how === "probe" ? "the base, probed on its frozen features" : "the base"],
    ["bag_of_words", `bag of words (TF-IDF and ${isOfNumbers(facts) ? "ridge" : "logistic"} regression)`],
    ["majority", isOfNumbers(facts) ? "always the mean of the training rows" : "always the most frequent class"]
  ] as const

/** What a comparison is told by: the first that it has is the one that deltas and rivals are told of. */
const columns: ReadonlyArray<{ readonly metric: string; readonly head: string; readonly show: (x: number) => string }> =
  [
    { metric: "accuracy", head: "accuracy", show: percent },
    { metric: "subset_accuracy", head: "all labels right", show: percent },
    { metric: "f1_macro", head: "F1 macro", show: (x) => x.toFixed(3) },
    { metric: "log_loss", head: "log loss", show: (x) => x.toFixed(3) },
    { metric: "mae", head: "mean abs. error", show: (x) => x.toPrecision(4) },
    { metric: "r2", head: "R2", show: (x) => x.toFixed(3) },
    { metric: "pearson", head: "Pearson", show: (x) => x.toFixed(3) },
    { metric: "spearman", head: "Spearman", show: (x) => x.toFixed(3) }
  ]

const columnsOf = ({ predictors }: ComparisonFacts) =>
  columns.filter(({ metric }) => predictors["tuned"]?.[metric] !== undefined)

const scores = (facts: ComparisonFacts): string => {
  const shown = columnsOf(facts)
  const rows = titles(facts).flatMap(([name, title]) => {
    const score = facts.predictors[name]
    if (score === null || score === undefined) return []
    const cells = shown.map(({ metric, show }) => {
      const value = score[metric]
      return value === undefined || value === null ? "" : show(value)
    })
    const row = [title, ...cells]
    return [name === "tuned" ? row.map((cell) => paint("bold", cell)) : row]
  })
  const heads = ["", ...shown.map(({ head }) => head)].map((head) => paint("dim", head))
  return table([heads, ...rows], ["left", ...shown.map(() => "right" as const)])
}

/** How a difference of a metric is told: shares in points, the rest in the metric's own unit. */
const inPoints = (metric: string) =>
  metric === "mae"
    ? { unit: "mean absolute error", show: (x: number) => `${x >= 0 ? "+" : ""}${x.toPrecision(3)}` }
    : { unit: `points of ${metric.replace("_", " ")}`, show: (x: number) => signed(100 * x, 1) }

const deltaLine = (facts: ComparisonFacts): string => {
  const told = facts.deltas.find(({ metric }) => ["accuracy", "subset_accuracy", "mae"].includes(metric))
  if (told === undefined) return ""
  const { delta, high, low, metric } = told
  const { show, unit } = inPoints(metric)
  const interval =
    low === null || high === null
      ? ""
      : ` (${percent(facts.confidence).replace(".0", "")} interval ${show(low)} to ${show(high)})`
  const { p_value: p } = facts
  const rows =
    p === null
      ? ""
      : `; ${facts.fixed} rows fixed, ${facts.broken} broken, p ${p < 0.001 ? p.toExponential(1) : p.toFixed(3)} (McNemar, exact)`
  return `tuned against base: ${show(delta)} ${unit}${interval}${rows}`
}

/** Whether a model was needed at all: bag of words beside the tuned one, said in words. */
const rivalLine = ({ predictors }: ComparisonFacts): ReadonlyArray<string> => {
  const metric = ["accuracy", "subset_accuracy", "mae"].find((name) => predictors.tuned?.[name] !== undefined)
  if (metric === undefined) return []
  const words = predictors.bag_of_words?.[metric]
  const tuned = predictors.tuned?.[metric]
  if (words === undefined || tuned === undefined) return []
  const gap = metric === "mae" ? words - tuned : 100 * (tuned - words)
  const shown =
    metric === "mae" ? `${Math.abs(gap).toPrecision(3)} of mean error` : `${Math.abs(gap).toFixed(1)} points`
  if (gap < 0) {
    const line = `a bag of words does better here, by ${shown}: consider whether this model is needed`
    return [paint("yellow", line)]
  }
  return [`${shown} ${metric === "mae" ? "less than" : "above"} the bag of words on the same rows`]
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

const thresholdLines = ({ thresholds }: ComparisonFacts): ReadonlyArray<string> =>
  (["base", "tuned"] as const).flatMap((who) => {
    const chosen = Object.entries(thresholds?.[who] ?? {})
    if (chosen.length === 0) return []
    const shown = chosen.slice(0, 6).map(([label, from]) => `${label} from ${from.toFixed(3)} on`)
    const more = chosen.length > 6 ? ` and ${chosen.length - 6} more` : ""
    return [`${who} decides by thresholds chosen on other rows: ${shown.join(", ")}${more}`]
  })

const seedsLine = ({ seeds }: ComparisonFacts): ReadonlyArray<string> => {
  const told = seeds?.metrics.find(({ metric }) => ["accuracy", "subset_accuracy", "mae"].includes(metric))
  if (told === undefined || seeds!.runs < 2) return []
  const { mean, metric, sd } = told
  const show = (x: number) => (metric === "mae" ? x.toPrecision(4) : percent(x))
  return [
    `over ${seeds!.runs} seeds: ${metric.replace("_", " ")} ${show(mean)}${sd === null ? "" : `, sd ${show(sd)}`}`
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
    ...thresholdLines(comparison),
    ...fitLines(comparison),
    ...seedsLine(comparison),
    ...verdictLine(comparison)
  ].join("\n")
}
