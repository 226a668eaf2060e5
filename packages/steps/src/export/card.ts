import { isRecord, type Json, type JsonObject } from "@hone/core/Json"
import type { Facts } from "@hone/core/Step"
import type { ModelManifest } from "../artifacts/manifest.ts"
import { headOf, problemTypeOf } from "./config.ts"
import type { ExportParams } from "./params.ts"

/** What a model card is made of. Digests and counts alone: nothing here knows a path, a user or a time. */
export interface CardContents {
  readonly params: ExportParams
  readonly manifest: ModelManifest
  /** Content digest of the model artifact. */
  readonly content: string
  readonly parameters: number
  readonly train: { readonly content: string; readonly facts: Facts } | undefined
  readonly metrics: Facts | undefined
  readonly comparison: Facts | undefined
}

/** README.md of an exported folder: a model card as the Hugging Face hub reads it. */
export const modelCard = (contents: CardContents): string =>
  [
    frontMatter(contents),
    `# ${contents.params.name ?? "A text classifier"}`,
    contents.params.description ?? summary(contents),
    section("Use", usage(contents)),
    section("Labels", labelTable(contents)),
    section("Decisions", decisions(contents)),
    section("Results", results(contents)),
    section("Where it comes from", origins(contents)),
    section("How to reproduce", reproduction)
  ]
    .filter((part) => part !== "")
    .join("\n\n") + "\n"

const section = (title: string, body: string): string => (body === "" ? "" : `## ${title}\n\n${body}`)

const frontMatter = ({ params }: CardContents): string =>
  [
    "---",
    "library_name: transformers",
    "pipeline_tag: text-classification",
    "tags: [hone]",
    ...(params.base_model === undefined ? [] : [`base_model: ${JSON.stringify(params.base_model)}`]),
    params.license === undefined
      ? "# license: yours to name before you publish; the base's licence may bind you"
      : `license: ${JSON.stringify(params.license)}`,
    "---"
  ].join("\n")

const isMean = ({ manifest }: CardContents): boolean => headOf(manifest).pooling === "mean"

const reads = (contents: CardContents): string =>
  isMean(contents)
    ? "a linear layer on the mean of the last hidden states over a row's tokens"
    : "a linear layer on BERT's pooler (the first token)"

/** What the model gives, in words. */
const gives = ({ manifest }: CardContents): string => {
  const { length } = headOf(manifest).labels
  const words: Readonly<Record<string, string>> = {
    "text-regression": "predicts a number",
    "multi-label-classification": `tells which of ${length} labels hold`,
    "pair-classification": `tells ${length} classes of pairs of texts apart`
  }
  return words[manifest.task ?? ""] ?? `tells ${length} classes apart`
}

const summary = (contents: CardContents): string =>
  `A BERT, fine-tuned with Hone, that ${gives(contents)}. Its head is ${reads(contents)}.`

/** The limit at which the rows in training were cut, where the card knows them. */
const maxLength = ({ train }: CardContents): number | undefined =>
  typeof train?.facts["max_length"] === "number" ? train.facts["max_length"] : undefined

/** What makes scores of logits, by the loss that the head was trained under. */
const activations: Readonly<Record<string, string>> = {
  single_label_classification: ".softmax(-1)",
  multi_label_classification: ".sigmoid()",
  regression: ""
}

/** Python without `pipeline()`, which warns of every class that transformers does not have itself. */
const usage = (contents: CardContents): string => {
  const remote = isMean(contents) ? ", trust_remote_code=True" : ""
  const limit = maxLength(contents)
  const cut = `truncation=True${limit === undefined ? "" : `, max_length=${limit}`}`
  const scores = activations[problemTypeOf(contents.manifest)]!
  const texts =
    contents.manifest.task === "pair-classification" ? '["a text"], ["the other one"]' : '["a text", "another"]'
  const code = [
    "```python",
    "import torch",
    "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
    "",
    'folder = "."  # where these files lie',
    "tokenizer = AutoTokenizer.from_pretrained(folder)",
    `model = AutoModelForSequenceClassification.from_pretrained(folder${remote}).eval()`,
    `inputs = tokenizer(${texts}, ${cut}, padding=True, return_tensors="pt")`,
    "with torch.no_grad():",
    `    scores = model(**inputs).logits${scores}`,
    "```"
  ]
  const note =
    "transformers has no class for a head on the mean, so `modeling_hone.py` in this folder has one: a short file that needs torch and transformers alone. `trust_remote_code=True` lets transformers load it."
  return [code.join("\n"), ...(isMean(contents) ? [note] : [])].join("\n\n")
}

/** From where labels hold, where that was chosen, and the Python that goes on from the scores under Use. */
const decisions = ({ manifest }: CardContents): string => {
  const { thresholds } = headOf(manifest)
  if (thresholds === undefined) return ""
  const entries = Object.entries(thresholds)
  const rows = entries.map(([label, threshold]) => [label, threshold.toPrecision(4)])
  const intro =
    "A label is predicted from these probabilities on: they gave the highest F1 on validation rows. `decision_thresholds` in `config.json` has them in full; transformers does not apply them by itself."
  const several = manifest.task === "multi-label-classification"
  const [[named] = [""]] = entries
  const code = several
    ? [
        "thresholds = torch.tensor([model.config.decision_thresholds[label] for label in model.config.id2label.values()])",
        "holds = scores >= thresholds  # [rows, labels]"
      ]
    : [
        `label, threshold = ${JSON.stringify(named)}, model.config.decision_thresholds[${JSON.stringify(named)}]`,
        "index = model.config.label2id[label]",
        "predicted = torch.where(scores[:, index] >= threshold, index, 1 - index)"
      ]
  const other = several ? [] : ["The other class is predicted below."]
  const python = ["```python", ...code, "```"].join("\n")
  return [intro, table(["label", "probability from which on"], rows), ...other, python].join("\n\n")
}

const countsOf = (facts: Facts | undefined): JsonObject => (isRecord(facts?.["counts"]) ? facts["counts"] : {})

const labelTable = ({ manifest, train }: CardContents): string => {
  const counts = countsOf(train?.facts)
  const counted = Object.keys(counts).length > 0
  return table(
    ["id", "label", ...(counted ? ["training rows"] : [])],
    headOf(manifest).labels.map((label, index) => [
      String(index),
      label,
      ...(counted ? [String(counts[label] ?? "")] : [])
    ])
  )
}

const predictorTitles: Readonly<Record<string, string>> = {
  model: "this model",
  model_thresholds: "this model, by its thresholds",
  tuned: "this model",
  base: "the base",
  bag_of_words: "bag of words (TF-IDF and logistic regression)",
  majority: "always the most frequent class"
}

/** Predictors by metrics, this model first. Facts that are no predictor's are passed over. */
const scoreTable = (predictors: Facts): string => {
  const names = Object.keys(predictorTitles).filter((name) => isRecord(predictors[name]))
  const metrics = [...new Set(names.flatMap((name) => Object.keys(predictors[name] as JsonObject)))]
  const rows = names.map((name) => [
    predictorTitles[name]!,
    ...metrics.map((metric) => number((predictors[name] as JsonObject)[metric]))
  ])
  return rows.length === 0 ? "" : table(["", ...metrics], rows)
}

const number = (value: Json | undefined): string => (typeof value === "number" ? value.toFixed(4) : "")

const results = ({ comparison, metrics }: CardContents): string => {
  const facts = comparison ?? metrics
  if (facts === undefined) return ""
  const predictors = comparison === undefined ? metrics! : (comparison["predictors"] as Facts)
  return [
    `On ${String(facts["rows"])} rows that took no part in training.`,
    scoreTable(predictors),
    against(comparison)
  ]
    .filter((part) => part !== "")
    .join("\n\n")
}

/** The differences to the base with their intervals, and the rows that changed sides. */
const against = (comparison: Facts | undefined): string => {
  if (comparison === undefined) return ""
  const deltas = (Array.isArray(comparison["deltas"]) ? comparison["deltas"] : []) as ReadonlyArray<JsonObject>
  const level = `${100 * Number(comparison["confidence"])} %`
  const rows = deltas.map(({ delta, high, low, metric }) => [
    String(metric),
    number(delta),
    low === null || high === null ? "" : `${number(low)} to ${number(high)}`
  ])
  const probed = comparison["base_how"] === "probe" ? ", which was probed on its frozen features" : ""
  const { broken, fixed, p_value } = comparison
  const changed =
    typeof fixed === "number" && typeof broken === "number" && typeof p_value === "number"
      ? `Tuning fixed ${fixed} rows that the base had wrong and broke ${broken} that it had right (McNemar's exact test: p = ${p_value.toPrecision(2)}).`
      : ""
  return [`Against the base${probed}:`, table(["metric", "difference", `${level} interval`], rows), changed]
    .filter((part) => part !== "")
    .join("\n\n")
}

const trained = ({ trainable }: ModelManifest): string => {
  const strategy = trainable?.strategy ?? "full"
  if (typeof strategy === "string") return strategy === "full" ? "all weights" : "the head alone"
  return `the last ${strategy.partial.last_blocks} blocks and the head`
}

const origins = (contents: CardContents): string => {
  const { content, manifest, parameters, params, train } = contents
  const rows: Array<ReadonlyArray<string>> = [
    ["this model", `${parameters} parameters, content digest \`${content}\``],
    ["trained", trained(manifest)]
  ]
  if (manifest.base !== null) {
    const named = params.base_model === undefined ? "" : `${params.base_model}, `
    rows.push(["base", `${named}content digest \`${manifest.base}\``])
  }
  if (manifest.tokenizer !== null) rows.push(["tokenizer", `content digest \`${manifest.tokenizer}\``])
  if (train !== undefined)
    rows.push(["training rows", `${String(train.facts["rows"])}, content digest \`${train.content}\``])
  const limit = maxLength(contents)
  if (limit !== undefined) rows.push(["longest row", `${limit} tokens: longer texts were cut`])
  return table(["", ""], rows)
}

const reproduction =
  "`hone.json`, where it lies beside this file, lists every stage behind these weights: its params, its seed, the digest of its code, and the digests of what it read and of what it made. A pipeline of these params over data of these digests gives the same keys, and on the same engine the same weights."

const cell = (text: string): string => text.replace(/\s+/g, " ").replaceAll("|", "\\|")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n")
