import { operational, semantic, semanticParams } from "@hone/core/Params"
import type { Json } from "@hone/core/Json"
import { Effect, Schema } from "effect"

const positive = Schema.Finite.check(Schema.isGreaterThan(0))
const notNegative = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const probability = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true }))
const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const count = Schema.Int.check(Schema.isGreaterThan(0))
const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))

const trainingArguments = "transformers TrainingArguments"
const bertPaper = "Devlin et al. 2019, appendix A.3"

const EarlyStopping = Schema.Struct({
  patience: count.annotate({ description: "evaluations in a row without improvement after which training stops" }),
  min_delta: notNegative
    .annotate({ description: "how much lower eval_loss must be to count as an improvement; default 0" })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
})

export const TrainParams = Schema.Struct({
  objective: semantic(Schema.Literals(["task", "mlm"]), {
    description:
      "task: what the rows are labelled with. mlm: continued pre-training, which guesses masked tokens of texts that need no label; it gives a model without a classifier, for a further training.",
    default: "task"
  }),
  mlm_probability: semantic(
    Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.9, exclusiveMinimum: true })),
    {
      description:
        "Under mlm, the share of a row's tokens that are to be guessed (at least one). Of these 80 % become the mask token, 10 % a random one, 10 % stay; drawn anew in each epoch.",
      default: 0.15,
      source: "Devlin et al. 2019, section 3.1"
    }
  ),
  whole_word_masking: semantic(Schema.Boolean, {
    description: "Under mlm, whether the pieces of a word are masked together.",
    default: true,
    source: "BERT's later releases (2019)"
  }),
  next_sentence: semantic(Schema.Boolean, {
    description:
      "Under mlm, whether each row becomes two texts, of which is also to be told whether the second goes on from the first: it does in half of the draws, else it is of another document; drawn anew in each epoch. Each row is a document of sentences, unless `document` says more.",
    default: false,
    source: "Devlin et al. 2019, section 3.1; off, since Liu et al. 2019 (RoBERTa) found nothing lost without it"
  }),
  pair_length: semantic(Schema.Int.check(Schema.isGreaterThan(4)), {
    description:
      "Under next_sentence, the most tokens that the two texts have together, special ones included; never more than the model has positions. Segments are put together until they fill it.",
    default: 128,
    source: "Devlin et al. 2019, appendix A.2: 128 for nine in ten of the steps"
  }),
  document: semantic(Schema.NonEmptyString, {
    description:
      "Under next_sentence, the column by which rows are of one document: rows in turn with one value in it are its segments, in the order in which they stand. Left out: each row is a document, and its sentences (up to . ! ?) are the segments.",
    optional: true
  }),
  learning_rate: semantic(positive, {
    description: "Peak learning rate of AdamW, per optimizer step.",
    default: 5e-5,
    source: trainingArguments
  }),
  head_learning_rate: semantic(positive, {
    description:
      "Peak learning rate of what stands behind the last block (classifier, and the pooler where it is read). Default: learning_rate.",
    optional: true
  }),
  layer_decay: semantic(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMinimum: true })), {
    description:
      "Each block learns at this share of the rate of the block behind it, and the embeddings at that of the first block's: above 0 to 1. The last block learns at learning_rate.",
    default: 1,
    source: "Howard and Ruder 2018 (1/2.6), Clark et al. 2020 (ELECTRA, 0.8 to 0.9); off, as in transformers"
  }),
  unfreeze_every: semantic(positive, {
    description:
      "Gradual unfreezing: only the head trains at first, and each time so many epochs have passed one more block from the top, down to what `freeze` leaves to train (with strategy full the embeddings last). Left out: everything trains from the start. What does not train yet does not drop out either.",
    optional: true,
    source: "Howard and Ruder 2018 (ULMFiT), section 3.3: 1"
  }),
  epochs: semantic(positive, {
    description: "Passes over the training rows; a fraction ends within a pass. Early stopping may end sooner.",
    default: 3,
    source: trainingArguments
  }),
  batch_size: semantic(Schema.Union([count, Schema.Literal("auto")]), {
    description:
      "Rows in a forward and backward pass. auto: the largest of 1, 2, 4, 8, 16 and 32 that is predicted to fit into memory_budget with the longest row; the result tells which it was.",
    default: 16,
    source: bertPaper
  }),
  memory_budget: semantic(count, {
    description:
      "For batch_size: auto, the MiB that training may take, as predicted: weights, optimizer, one pass, and what the engine needs for them (its libraries and the rows come on top). Default: 4096, and never what a machine happens to have free, so that the same file trains the same everywhere.",
    optional: true
  }),
  sampling: semantic(Schema.Literals(["all", "balanced"]), {
    description:
      "Rows of an epoch: all of them once, or as many, drawn so that each class comes equally often (rows of large classes wait for another epoch, rows of small ones come more than once).",
    default: "all",
    source: "every example of an epoch is seen, as in transformers"
  }),
  gradient_accumulation_steps: semantic(count, {
    description:
      "Passes whose gradients make one optimizer step. The loss is divided by the rows of all of them together.",
    default: 1,
    source: trainingArguments
  }),
  weight_decay: semantic(notNegative, {
    description: "Decoupled weight decay of AdamW; none on biases and norms.",
    default: 0.01,
    source: bertPaper
  }),
  adam_beta1: semantic(probability, {
    description: "Decay of AdamW's first moment, 0 to below 1.",
    default: 0.9,
    source: trainingArguments
  }),
  adam_beta2: semantic(probability, {
    description: "Decay of AdamW's second moment, 0 to below 1.",
    default: 0.999,
    source: trainingArguments
  }),
  adam_epsilon: semantic(positive, { description: "AdamW's epsilon.", default: 1e-8, source: trainingArguments }),
  max_grad_norm: semantic(notNegative, {
    description: "Norm to which the gradient of all trained tensors together is cut; 0 cuts nothing.",
    default: 1,
    source: trainingArguments
  }),
  precision: semantic(Schema.Literals(["fp32", "bf16"]), {
    description:
      "What matrix products are computed in while training. bf16 rounds their operands to bfloat16 (8 bits of precision); weights, moments and everything else stay float32, and so do evaluations. On a CPU it pays only where the processor multiplies it (AVX512_BF16 or AMX): elsewhere it is slower. TensorFlow's engines only.",
    default: "fp32",
    source: "Micikevicius et al. 2018 (mixed precision), Kalamkar et al. 2019 (bfloat16); transformers: bf16, off"
  }),
  ema_decay: semantic(probability, {
    description:
      "Keeps a running average of the weights that train, which is what is evaluated and returned: average * decay + weights * (1 - decay) after each optimizer step, with a decay that grows to this one as (1 + steps) / (10 + steps). 0 to below 1; usual are 0.99 to 0.9999; 0 keeps none.",
    default: 0,
    source: "Polyak and Juditsky 1992; tf.train.ExponentialMovingAverage; off, as in transformers"
  }),
  lr_scheduler_type: semantic(Schema.Literals(["linear", "cosine", "constant"]), {
    description:
      "How the learning rate goes after warm-up: linear or cosine to 0 at the horizon, or constant (which, as in transformers, has no warm-up).",
    default: "linear",
    source: trainingArguments
  }),
  warmup_ratio: semantic(share, {
    description: "Share of the horizon's optimizer steps over which the learning rate rises from 0.",
    default: 0.1,
    source: "Liu et al. 2019 (RoBERTa), table 10: 0.06; BERT's run_classifier.py: 0.1"
  }),
  schedule_epochs: semantic(positive, {
    description:
      "The schedule's horizon in epochs, where it is not `epochs`: a training whose horizon is named can be continued by raising `epochs`.",
    optional: true
  }),
  label_smoothing: semantic(probability, {
    description:
      "Share of each target that is spread evenly over all classes, 0 to below 1. Validation losses stay those of the plain loss.",
    default: 0,
    source: trainingArguments
  }),
  class_weights: semantic(Schema.Union([Schema.Literal("balanced"), Schema.Record(Schema.String, positive)]), {
    description:
      "How much the rows of each class count: balanced (rare classes more: rows / (classes * rows of the class)), or a number by label (1 for those not named). With several labels a row, how much its having the label counts against its not having it.",
    optional: true
  }),
  focal_gamma: semantic(notNegative, {
    description:
      "Exponent of focal loss: rows that are right already count less, by (1 - probability) to this power. 0 is plain cross-entropy; the paper's best is 2.",
    default: 0,
    source: "Lin et al. 2017; off, as in transformers"
  }),
  pooling: semantic(Schema.Literals(["mean", "pooler"]), {
    description:
      "What the classifier reads: the mean of the last hidden states over real tokens, or BERT's tanh pooler on the first. Default: that of the model's own head, else mean (Reimers and Gurevych 2019).",
    optional: true
  }),
  hidden_dropout: semantic(probability, {
    description:
      "Dropout on hidden states of blocks that train. Default: hidden_dropout_prob of the model's config.json.",
    optional: true
  }),
  attention_dropout: semantic(probability, {
    description:
      "Dropout on attention weights of blocks that train. Default: attention_probs_dropout_prob of the model's config.json.",
    optional: true
  }),
  initial_bias: semantic(Schema.Literals(["label_rates", "zeros"]), {
    description:
      "With several labels a row, where the biases of a new classifier begin. label_rates: as often as the training rows have each label, which rare labels need. zeros: at one half for all, as in transformers. One label a row, or a number, begins at zeros.",
    default: "label_rates",
    source: "Lin et al. 2017 (focal loss), section 4.1: the prior of rare classes as initial bias"
  }),
  classifier_dropout: semantic(probability, {
    description:
      "Dropout in front of the classifier. Default: classifier_dropout of the model's config.json, else its hidden_dropout_prob.",
    optional: true
  }),
  early_stopping: semantic(Schema.Union([Schema.Literal(false), EarlyStopping]), {
    description:
      "Stop when eval_loss has not improved for `patience` evaluations (one each epoch), or false. The weights of the best evaluation are kept either way.",
    default: { patience: 3 },
    source: "transformers EarlyStoppingCallback, with a patience that fits a default of three epochs"
  }),
  group_by_length: semantic(Schema.Boolean, {
    description: "Put rows of like length into one batch: less padding, the same rows in every epoch.",
    default: true,
    source:
      "measured in transformers' LengthGroupedSampler; here on, since padding is most of the cost of a mixed batch"
  }),
  max_loss_ratio: semantic(Schema.Finite.check(Schema.isGreaterThan(1)), {
    description:
      "Training is stopped as diverged where the mean loss of the last 20 optimizer steps is this many times what it was at the start: the mean of the first 20, but at most the loss of the first step or of knowing nothing. Looked at every 20 steps. Above 1.",
    default: 3,
    source: "chosen here: a training that learns falls below 1, label noise and warm-up stay near it"
  }),
  eval_batch_size: semantic(count, {
    description: "Rows in a forward pass over the validation rows.",
    default: 32,
    source: "twice the training batch: no gradients are kept"
  }),
  seed: semantic(seed, {
    description:
      "Changes the initial head, the order of rows and dropout, and nothing before this step. 0 to 2^32 - 1.",
    optional: true
  }),
  log_every: operational(count, {
    description: "Optimizer steps between reports of progress.",
    default: 1,
    source: "a report costs nothing beside a step"
  }),
  checkpoint_every: operational(count, {
    description: "Optimizer steps between checkpoints; the end of each epoch is one in any case.",
    default: 50,
    source: "a checkpoint costs about as much as one step of a small model"
  })
})

export type TrainParams = typeof TrainParams.Type

/** The schedule's horizon in epochs; null where the learning rate does not hang on one. */
export const horizonEpochs = ({ epochs, lr_scheduler_type, schedule_epochs }: TrainParams): number | null =>
  lr_scheduler_type === "constant" ? null : (schedule_epochs ?? epochs)

/** What shapes the path of a training, without what only says how far along it to go. */
export const trajectoryParams = (params: TrainParams): Readonly<Record<string, Json>> => {
  const { early_stopping, epochs, schedule_epochs, ...rest } = semanticParams(TrainParams, params)
  return { ...rest, horizon: horizonEpochs(params) }
}
