import type { Json } from "@hone/core/Json"
import { StageError } from "@hone/core/Stage"
import type { Head, ModelManifest } from "../artifacts/manifest.ts"
import { meanPooledArchitecture } from "./architecture.ts"
import { modelingModule } from "./modelingHone.ts"

/** What a base's config.json says of other weights than these: where it was copied from, which dtype it was saved in. */
const foreign = [
  "_name_or_path",
  "architectures",
  "auto_map",
  "decision_thresholds",
  "torch_dtype",
  "transformers_version"
]

/** transformers' word for the loss that a classifier's logits stand for. */
const problemTypes: Readonly<Record<string, string>> = {
  "text-classification": "single_label_classification",
  "multi-label-classification": "multi_label_classification",
  "text-regression": "regression"
}

export const problemTypeOf = ({ task }: ModelManifest): string =>
  problemTypes[task ?? "text-classification"] ?? "single_label_classification"

/** The head of a model to export. Fails by StageError `no_head`. */
export const headOf = ({ head }: ModelManifest): Head => {
  if (head !== null) return head
  throw new StageError({
    code: "no_head",
    message: "the model has no head: there is no classifier to export",
    hint: "export the model of a train step"
  })
}

/** transformers loads no classifier of one class. Fails by StageError `one_label`. */
export const refuseOneLabel = (manifest: ModelManifest): void => {
  const { labels } = headOf(manifest)
  if (labels.length > 1 || problemTypeOf(manifest) !== "single_label_classification") return
  throw new StageError({
    code: "one_label",
    message: `the model knows one label alone, ${JSON.stringify(labels[0])}: transformers loads no classifier of one class`,
    hint: "train on rows that have two labels or more"
  })
}

/**
 * config.json of an exported classifier. A head on BERT's pooler is transformers' BertForSequenceClassification. One on the mean of
 * the last hidden states is a class of its own: `auto_map` names the file that defines it, `classifier_pooling` (ModernBERT's word)
 * says what it reads. `decision_thresholds` is Hone's word: transformers keeps it in `model.config` and decides nothing by it.
 */
export const exportConfig = (manifest: ModelManifest): Record<string, Json> => {
  const { dropout, labels, pooling, thresholds } = headOf(manifest)
  const kept = Object.entries(manifest.config).filter(([key]) => !foreign.includes(key))
  return {
    ...Object.fromEntries(kept),
    architectures: [pooling === "mean" ? meanPooledArchitecture : "BertForSequenceClassification"],
    ...(pooling === "mean"
      ? { auto_map: { AutoModelForSequenceClassification: `${modelingModule}.${meanPooledArchitecture}` } }
      : {}),
    classifier_dropout: dropout,
    classifier_pooling: pooling,
    ...(thresholds === undefined ? {} : { decision_thresholds: thresholds }),
    dtype: "float32",
    id2label: Object.fromEntries(labels.map((label, index) => [String(index), label])),
    label2id: Object.fromEntries(labels.map((label, index) => [label, index])),
    problem_type: problemTypeOf(manifest)
  }
}
