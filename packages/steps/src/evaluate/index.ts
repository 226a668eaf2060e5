import type { InputPort, PortType } from "@hone/core/Port"
import { makeStaged } from "@hone/core/Step"
import type { Applies, Facts, StepFault, TypeContext } from "@hone/core/Step"
import {
  type FeatureCut,
  featuresBytes,
  featuresOf,
  featuresStage,
  inMegabytes,
  isPartlyFrozen,
  partialCut
} from "../features/stage.ts"
import { onePass } from "../rows/work.ts"
import { engineParts } from "../tensors/parts.ts"
import { evaluateMeasures } from "./measures.ts"
import { EvaluateParams } from "./params.ts"

const tokens = (description: string): InputPort => ({
  accepts: ["tokens"],
  description,
  columns: {
    row_id: { type: ["utf8"], why: "predictions are joined by it" },
    input_ids: { type: ["list<int32>"], why: "what the model reads" },
    label: { type: ["dictionary", "list<utf8>", "float64"], why: "what predictions are compared with" }
  }
})

const isProbed = ({ by }: EvaluateParams, model: Facts): boolean => by === "probe" || model["head"] === null

/**
 * One vector a row: for the probe as asked for, for a head over frozen blocks as the head reads it. For a head over blocks that
 * were tuned, the hidden states in front of the first of them.
 */
const cutOf = (params: EvaluateParams, model: Facts): FeatureCut => {
  if (!isProbed(params, model) && model["strategy"] !== "head") return partialCut(model)
  const headPooling = model["head"] === "pooler" ? "cls" : "mean"
  return { cut: Number(model["blocks"] ?? 0), pooled: isProbed(params, model) ? params.pooling : headPooling }
}

const hiddenCut = (_: EvaluateParams, model: Facts): FeatureCut => partialCut(model)

const rowsApply = (
  params: EvaluateParams,
  { model, rows }: { readonly model: Facts; readonly rows: Facts }
): Applies => {
  const size = inMegabytes(featuresBytes(cutOf(params, model), model, rows))
  if (isProbed(params, model))
    return {
      run: true,
      reason: `${model["head"] === null ? "the model has no head: " : ""}probed on one vector a row (${size})`
    }
  if (model["strategy"] === "head")
    return { run: true, reason: `all blocks are frozen: one vector a row, shared with the base (${size})` }
  return isPartlyFrozen(model, rows)
    ? {
        run: true,
        reason: `${model["frozen_blocks"]} of ${model["blocks"]} blocks are as in the base: shared (${size})`
      }
    : { run: false, reason: "the model's blocks were tuned: nothing to share" }
}

/** A base whose lower blocks a training will freeze: their output serves the probe, the training and the tuned model. */
const hiddenApplies = (
  params: EvaluateParams,
  { model, rows }: { readonly model: Facts; readonly rows: Facts }
): Applies => {
  if (!isProbed(params, model)) return { run: false, reason: "the model has its own head: no probe" }
  if (!isPartlyFrozen(model, rows)) return { run: false, reason: "no training of this model shares its lower blocks" }
  const size = inMegabytes(featuresBytes(partialCut(model), model, rows))
  return {
    run: true,
    reason: `${model["frozen_blocks"]} of ${model["blocks"]} blocks will be frozen: shared with training (${size})`
  }
}

const fitApplies = (params: EvaluateParams, facts: { readonly model: Facts; readonly rows: Facts }): Applies =>
  isProbed(params, facts.model)
    ? rowsApply(params, facts)
    : { run: false, reason: "the model has its own head: no probe" }

/** Facts of predictions: the order of their scores, how they came about, the model that made them. */
const readOfPredictions = ["how", "labels", "model", "rows"]

const labelsOf = (port: PortType | undefined): ReadonlyArray<string> | undefined => port?.columns?.["label"]?.labels

/** Whether the model is probed, as far as that is known before anything runs. */
const willProbe = ({ inputs, params }: TypeContext<EvaluateParams>): boolean =>
  params.by === "probe" || inputs["model"]?.head === false

const fitFaults = (context: TypeContext<EvaluateParams>): ReadonlyArray<StepFault> =>
  willProbe(context) && context.inputs["fit"] === undefined
    ? [
        {
          path: ["in"],
          message: `${context.params.by === "probe" ? "the model" : "the model has no head, so it"} is probed, and there are no rows to fit the probe on`,
          hint: "connect the training rows: fit: parts.train"
        }
      ]
    : []

/** Rows with labels that the model, or the rows that its probe is fitted on, cannot predict. */
const labelFaults = (context: TypeContext<EvaluateParams>): ReadonlyArray<StepFault> => {
  const { inputs } = context
  const known = willProbe(context) ? labelsOf(inputs["fit"]) : inputs["model"]?.labels
  const foreign = labelsOf(inputs["rows"])?.filter((label) => known?.includes(label) === false) ?? []
  if (known === undefined || foreign.length === 0) return []
  return [
    {
      path: ["in", "rows"],
      message: `the rows have labels that the model does not predict: ${foreign.join(", ")}`,
      hint: `it predicts ${known.join(", ")}; train on rows with all labels, or map the labels when ingesting`
    }
  ]
}

/** Columns to slice by that the rows lack. */
const sliceFaults = ({ inputs, params }: TypeContext<EvaluateParams>): ReadonlyArray<StepFault> => {
  const columns = inputs["rows"]?.columns
  if (columns === undefined) return []
  return params.slice_by.flatMap((name, at) =>
    Object.hasOwn(columns, name)
      ? []
      : [
          {
            path: ["with", "slice_by", at],
            message: `the rows have no column "${name}"`,
            hint: `they have ${Object.keys(columns).join(", ")}; ingest keeps further columns by \`keep\``
          }
        ]
  )
}

export const evaluate = makeStaged({
  kind: "evaluate",
  summary: "Predict rows with a model, and compute metrics from the predictions.",
  params: EvaluateParams,
  inputs: {
    model: { accepts: ["model"], description: "a tuned model, or a base without a head, which is probed" },
    rows: tokens("the rows to predict"),
    fit: {
      ...tokens("training rows: a probe of a base, the majority class and the bag of words are fitted on them"),
      optional: true
    },
    thresholds_from: {
      accepts: ["predictions"],
      description:
        "predictions of validation rows by the same model: thresholds are chosen on them, and what they give is told beside",
      optional: true
    }
  },
  outputs: {
    metrics: { kind: "metrics", description: "a row for each metric of each predictor" },
    predictions: { kind: "predictions", description: "the model's prediction of each row" },
    decisions: {
      kind: "predictions",
      description: "the same rows as thresholds decide them; without rows unless `thresholds_from` is connected"
    },
    rivals: {
      kind: "predictions",
      description: "the majority class's and the bag of words' predictions of the same rows"
    }
  },
  main: "metrics",
  measures: evaluateMeasures,
  types: (context) => ({
    outputs: {
      metrics: { kind: "metrics" },
      predictions: { kind: "predictions" },
      decisions: { kind: "predictions" },
      rivals: { kind: "predictions" }
    },
    faults: [...fitFaults(context), ...labelFaults(context), ...sliceFaults(context)]
  }),
  stages: [
    featuresStage<EvaluateParams>({ name: "hidden_rows", rows: "rows", cut: hiddenCut, applies: hiddenApplies }),
    featuresStage<EvaluateParams>({ name: "hidden_fit", rows: "fit", cut: hiddenCut, applies: hiddenApplies }),
    featuresStage<EvaluateParams>({
      name: "features_rows",
      rows: "rows",
      cut: cutOf,
      applies: rowsApply,
      startsFrom: "hidden_rows"
    }),
    featuresStage<EvaluateParams>({
      name: "features_fit",
      rows: "fit",
      cut: cutOf,
      applies: fitApplies,
      startsFrom: "hidden_fit"
    }),
    {
      name: "predictions",
      numerics: true,
      params: ({ batch_size, by, pooling }) => ({ batch_size, by, pooling }),
      inputs: {
        model: { from: { port: "model" } },
        rows: { from: { port: "rows" }, facts: ["tokenizer"] },
        fit: { from: { port: "fit" }, facts: ["tokenizer"] },
        features_rows: featuresOf("features_rows"),
        features_fit: featuresOf("features_fit")
      },
      outputs: { predictions: { kind: "predictions", description: "the model's prediction of each row" } },
      resources: () => ({ cpu: "all" }),
      work: (_, { rows }) => onePass(rows, "tokens"),
      parts: engineParts,
      module: "steps/evaluate/run-predictions",
      run: () => import("./run-predictions.ts")
    },
    {
      name: "rivals",
      params: () => ({}),
      // Texts and labels: another max_length or tokenizer changes no bag of words.
      inputs: {
        rows: { from: { port: "rows" }, view: () => "examples" },
        fit: { from: { port: "fit" }, view: () => "examples" }
      },
      outputs: { rivals: { kind: "predictions", description: "the majority class and a bag of words" } },
      work: (_, { rows }) => onePass(rows, "rows"),
      module: "steps/evaluate/run-rivals",
      run: () => import("./run-rivals.ts")
    },
    {
      name: "metrics",
      random: true,
      params: ({ confidence, metrics, resamples, slice_by, top_k }) => ({
        metrics: [...metrics],
        top_k: [...top_k],
        confidence,
        resamples,
        slice_by: [...slice_by]
      }),
      inputs: {
        rows: { from: { port: "rows" } },
        predictions: { from: { stage: "predictions", output: "predictions" }, facts: readOfPredictions },
        rivals: { from: { stage: "rivals", output: "rivals" }, facts: readOfPredictions },
        thresholds_from: { from: { port: "thresholds_from" }, facts: readOfPredictions }
      },
      outputs: {
        metrics: { kind: "metrics", description: "a row for each metric of each predictor" },
        decisions: { kind: "predictions", description: "the model's rows as thresholds decide them" }
      },
      module: "steps/evaluate/run-metrics",
      run: () => import("./run-metrics.ts")
    }
  ]
})
