import { paint, table } from "./Output.ts"

type Scores = Readonly<Record<string, number>>

interface Gap {
  readonly train_loss: number
  readonly validation_loss: number
  readonly gap: number
}

/** Two models on the same rows, and whatever else predicted them. */
interface Compared {
  readonly rows: number
  readonly predictors: Readonly<Partial<Record<"base" | "tuned" | "majority" | "bag_of_words", Scores | null>>>
  readonly base_how: string
  readonly deltas: ReadonlyArray<{
    metric: string
    base: number
    tuned: number
    delta: number
    low: number | null
    high: number | null
  }>
  /** Null where a prediction is neither right nor wrong: of numbers. */
  readonly p_value: number | null
  readonly fixed: number
  readonly broken: number
}

/** What tuning made the model forget. */
interface Forgotten extends Compared {
  readonly worst: ReadonlyArray<{
    text: string
    label: string
    tuned_predicted: string
    base_score: number
    tuned_score: number
  }>
}

interface Spread {
  readonly metric: string
  readonly mean: number
  readonly sd: number | null
  readonly worst: number
  readonly best: number
}

/** The facts of a `comparison` artifact (packages/steps/src/compare-to-base): what a person wants to know first. */
interface ComparisonFacts extends Compared {
  readonly confidence: number
  /** What decides where an evaluation chose thresholds; null where the highest score does. */
  readonly thresholds?: Readonly<Record<"base" | "tuned", Readonly<Record<string, number>> | null>>
  /** Absent where the comparison was not given the history. */
  readonly overfitting?: Gap & { best_epoch: number }
  /** Absent where it was not given both models; `relative` is null for a part that the base lacks. */
  readonly drift?: ReadonlyArray<{ part: string; relative: number | null }>
  /** Absent where one training was compared. */
  readonly seeds?: { runs: number; same_rows: boolean; metrics: ReadonlyArray<Spread> } | null
  /** Absent where it was given no evaluations of retained rows. */
  readonly forgotten?: Forgotten | null
  readonly verdict: { passed: boolean; reasons: ReadonlyArray<string> } | null
}

const percent = (x: number | undefined) => (x === undefined ? "" : `${(100 * x).toFixed(1)} %`)
const signed = (x: number, digits: number) => `${x >= 0 ? "+" : ""}${x.toFixed(digits)}`

const isOfNumbers = ({ predictors }: Compared): boolean => predictors["tuned"]?.["mae"] !== undefined

const titles = (facts: Compared) =>
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

const columnsOf = ({ predictors }: Compared) => {
  const known = Object.keys(predictors["tuned"] ?? {})
  const tops = known.flatMap((metric) => {
    const k = /^top_(\d+)_accuracy$/u.exec(metric)?.[1]
    return k === undefined ? [] : [{ metric, head: `in top ${k}`, show: percent }]
  })
  return [...columns.filter(({ metric }) => known.includes(metric)), ...tops]
}

const scores = (facts: Compared): string => {
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

/** What a comparison is summed up by. */
const isHeadline = ({ metric }: { readonly metric: string }) => ["accuracy", "subset_accuracy", "mae"].includes(metric)

const deltaLine = (facts: Compared, confidence: number): string => {
  const told = facts.deltas.find(isHeadline)
  if (told === undefined) return ""
  const { delta, high, low, metric } = told
  const { show, unit } = inPoints(metric)
  const interval =
    low === null || high === null
      ? ""
      : ` (${percent(confidence).replace(".0", "")} interval ${show(low)} to ${show(high)})`
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

const seedsLine = ({ deltas, seeds }: ComparisonFacts): ReadonlyArray<string> => {
  const told = seeds?.metrics.find(isHeadline)
  if (told === undefined || seeds!.runs < 2) return []
  const { best, mean, metric, sd, worst } = told
  const show = (x: number) => (metric === "mae" ? x.toPrecision(4) : percent(x))
  const base = seeds!.same_rows ? deltas.find((delta) => delta.metric === metric)?.base : undefined
  const { show: difference, unit } = inPoints(metric)
  const gain = base === undefined ? "" : `; against base ${difference(mean - base)} ${unit} on the mean`
  const spread = sd === null ? "" : `, sd ${show(sd)}`
  return [
    `over ${seeds!.runs} ${seeds!.same_rows ? "seeds" : "trainings, each on rows of its own"}: ${metric.replace("_", " ")} ${show(mean)}${spread}, worst ${show(worst)}, best ${show(best)}${gain}`
  ]
}

/** Characters of a forgotten row's text. */
const SHOWN = 70
const ROWS = 3

const oneLine = (text: string): string => {
  const characters = [...text.replace(/\s+/gu, " ").trim()]
  return characters.length > SHOWN ? `${characters.slice(0, SHOWN - 3).join("")}...` : characters.join("")
}

/** What tuning cost on the rows that were retained: the figures, the interval and test, the surest new mistakes. */
const forgottenLines = ({ confidence, forgotten }: ComparisonFacts): ReadonlyArray<string> => {
  if (forgotten === null || forgotten === undefined) return []
  const how = forgotten.base_how === "probe" ? ", by a probe on each model's frozen features" : ""
  const [told] = forgotten.deltas.filter(isHeadline)
  const isLess = told?.metric === "mae"
  const isWorse = told !== undefined && (isLess ? (told.low ?? 0) > 0 : (told.high ?? 0) < 0)
  return [
    "",
    `${paint("bold", "forgotten")}: on ${forgotten.rows} retained rows${how}`,
    scores({ ...forgotten, base_how: "classifier" }),
    deltaLine(forgotten, confidence),
    isWorse
      ? paint("yellow", "tuning made the model forget: it is worse than the base here, beyond chance")
      : "no forgetting beyond chance on these rows",
    ...forgotten.worst
      .slice(0, ROWS)
      .map(
        ({ base_score, label, text, tuned_predicted, tuned_score }) =>
          `  ${oneLine(text)}\n    is ${label}: base ${base_score.toFixed(2)}, tuned ${tuned_score.toFixed(2)} and says ${tuned_predicted}`
      )
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
    deltaLine(comparison, comparison.confidence),
    ...rivalLine(comparison),
    ...thresholdLines(comparison),
    ...fitLines(comparison),
    ...seedsLine(comparison),
    ...forgottenLines(comparison),
    ...verdictLine(comparison)
  ].join("\n")
}
