import { gradientsOf } from "../autodiff.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph, type Node, type Tensor } from "../graph/Graph.ts"
import type { Program, ProgramFunction } from "../graph/Program.ts"
import { bertBlock, type BertContext, bertEmbeddings, bertHead, bertPool, rowsOf } from "../models/bert/bert.ts"
import type { BertConfig } from "../models/bert/config.ts"
import {
  blockWeights,
  classifierModelWeights,
  embeddingWeights,
  type HeadOptions,
  type Pooling,
  type WeightSpec
} from "../models/bert/weights.ts"
import { type Objective, objectiveLoss, objectiveLosses } from "../ops/objective.ts"
import { IGNORED } from "../ops/softmaxCrossEntropy.ts"
import {
  adamw,
  type AdamWOptions,
  clipFactor,
  gradientNorm,
  momentNames,
  momentsOf,
  prepareAdamW,
  type Update
} from "./adamw.ts"
import { averageName, averaging } from "./average.ts"
import { finishProgram } from "./variables.ts"

/** Where a program starts: the hidden states in front of a block (0: right after the embeddings), or pooled rows. */
export type Cut = number | "pooled"

export interface ClassifierOptions {
  readonly config: BertConfig
  readonly head: HeadOptions
  /** Which parameters train, by name as in `classifierModelWeights`. */
  readonly trainable: (name: string) => boolean
  /** Left out: token ids. Otherwise nothing in front of the cut may train, and its weights are not part of the program. */
  readonly cut?: Cut | undefined
  /** Whether `token_type_ids` are fed; otherwise every token is of type 0. */
  readonly token_types?: boolean | undefined
  /** Default: the config's. Blocks (and embeddings) of which nothing trains never drop out. */
  readonly dropout?: { readonly hidden: number; readonly attention: number } | undefined
  /** What training minimises. Default: plain cross-entropy. Evaluation gives the plain loss of its kind, without weights. */
  readonly objective?: Objective | undefined
  readonly optimizer: AdamWOptions
  /** Gradients are scaled down to this norm; null: never. */
  readonly max_grad_norm: number | null
  /** Adds `accumulate` and `apply`. */
  readonly accumulation?: boolean | undefined
  /** Adds `init_average` and `average`: see `averaging`. */
  readonly averages?: boolean | undefined
  /** Adds `gradients`, which fetches the gradient of each parameter that trains, by name. */
  readonly gradients?: boolean | undefined
}

/** A program to train and evaluate a classifier, and the names of what it keeps. */
export interface ClassifierProgram extends Program {
  /** Parameters that the program holds: write them before anything runs. */
  readonly parameters: ReadonlyArray<WeightSpec>
  readonly trainable: ReadonlyArray<string>
  /** Moments, and averages, of the parameters that train; with them, `optimizer_step` and the parameters, a training resumes exactly. */
  readonly optimizerState: ReadonlyArray<string>
  /** Running averages of the parameters that train, in their order; empty where none are kept. */
  readonly averages: ReadonlyArray<string>
}

/** AdamW with the values of transformers' Trainer: nothing decays unless asked, biases and norms never. */
export const defaultAdamW: AdamWOptions = {
  kind: "adamw",
  betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0,
  no_decay: (name) => /(^|\.)bias$|LayerNorm\./.test(name)
}

/**
 * How many blocks at the bottom never change, when the embeddings do not change either; null when they do.
 * These are the numbers a `cut` may have, up to and including the result.
 */
export function frozenBlocks(config: BertConfig, trainable: (name: string) => boolean): number | null {
  const trains = (specs: ReadonlyArray<WeightSpec>) => specs.some(({ name }) => trainable(name))
  if (trains(embeddingWeights(config))) return null
  let block = 0
  while (block < config.num_hidden_layers && !trains(blockWeights(config, block))) block++
  return block
}

/**
 * Builds the program of a BERT classifier. Functions, with B rows of T tokens:
 *
 * - `init_optimizer` {} sets moments (and accumulated gradients) to zero.
 * - `train` {INPUTS, labels int32 [B], count, learning_rate, optimizer_step (from 1), seed int32 [2]} -> {loss [], grad_norm []}.
 * - `eval` {INPUTS, labels} -> {logits [B, labels], losses [B]}; a label of -100 counts nowhere.
 * - `accumulate` {INPUTS, labels, count, seed} -> {loss []}, with `count` the rows of the whole effective batch; then
 *   `apply` {learning_rate, optimizer_step} -> {grad_norm []}.
 * - `gradients` {INPUTS, labels, count, seed} -> {NAME: gradient}.
 *
 * Under another objective labels are float32 [B, labels] or [B], and `count` is what it divides by: see `Objective`.
 *
 * INPUTS are `input_ids` int32 [B, T], or `hidden` float32 [B, T, C] or `pooled` float32 [B, C] after a cut; `attention_mask`
 * int32 [B, T] unless pooled; `token_type_ids` if asked for. `seed` (run, micro-step) is fed only where something drops out.
 */
export function classifierProgram(options: ClassifierOptions): ClassifierProgram {
  const graph = new Graph()
  const shapes = new Map(classifierModelWeights(options.config, options.head).map((spec) => [spec.name, spec]))
  checkCut(options)
  const model = new Model(graph, shapes, options)
  const functions: Record<string, ProgramFunction> = { eval: evaluation(model), train: training(model) }
  if (options.accumulation === true)
    Object.assign(functions, { accumulate: accumulation(model), apply: application(model) })
  if (options.gradients === true) functions["gradients"] = gradientFetches(model)
  functions["init_optimizer"] = initOptimizer(model)
  const trainable = model.trainableNames()
  const averages = options.averages === true ? trainable.map(averageName) : []
  if (averages.length > 0)
    Object.assign(
      functions,
      averaging(
        graph,
        trainable.map((name) => model.variable(name))
      )
    )
  return {
    ...finishProgram(graph, functions),
    parameters: model.used(),
    trainable,
    optimizerState: [...trainable.flatMap(momentNames), ...averages],
    averages
  }
}

function checkCut({ config, cut, trainable }: ClassifierOptions): void {
  if (cut === undefined) return
  const block = cut === "pooled" ? config.num_hidden_layers : cut
  const frozen = frozenBlocks(config, trainable)
  if (frozen === null || block > frozen)
    throw new RangeError(`a cut at ${cut} would hide parameters that train: ${frozen ?? "no"} blocks are frozen`)
}

/** One classifier in several functions: each builds the forward pass anew over the same variables. */
class Model {
  readonly graph: Graph
  readonly options: ClassifierOptions
  readonly #shapes: ReadonlyMap<string, WeightSpec>
  readonly #used = new Set<string>()

  constructor(graph: Graph, shapes: ReadonlyMap<string, WeightSpec>, options: ClassifierOptions) {
    this.graph = graph
    this.options = options
    this.#shapes = shapes
  }

  used(): Array<WeightSpec> {
    return [...this.#shapes.values()].filter(({ name }) => this.#used.has(name))
  }

  trainableNames(): Array<string> {
    return this.used().flatMap(({ name }) => (this.options.trainable(name) ? [name] : []))
  }

  variable(name: string) {
    const spec = this.#shapes.get(name)
    if (spec === undefined) throw new Error(`the model has no parameter "${name}"`)
    this.#used.add(name)
    return this.graph.variable(name, spec.shape)
  }

  /** Logits, by a forward pass that is recorded for differentiation where `train` is set. */
  logits(g: Builder, mode: "train" | "eval"): Tensor {
    const { config, cut, head } = this.options
    const seed = mode === "train" ? g.feed("seed", "int32", [2]) : undefined
    const context: BertContext = {
      g,
      config,
      weight: (name) => {
        const value = g.read(this.variable(name))
        if (mode === "train" && this.options.trainable(name)) g.trains.add(value)
        return value
      },
      dropoutAt: (kind, part, site) => this.#dropoutAt(seed, kind, part, site)
    }
    const pooled = cut === "pooled" ? g.feed("pooled", "float32", ["batch", config.hidden_size]) : this.#pooled(context)
    return bertHead(context, head.pooling, pooled)
  }

  #pooled(context: BertContext): Tensor {
    const { config, cut, head, token_types } = this.options
    const from = encoderInput(context, cut as number | undefined, token_types === true)
    let { x } = from
    for (let block = cut === undefined ? 0 : (cut as number); block < config.num_hidden_layers; block++) {
      x = bertBlock(context, from.rows, block, x)
    }
    return bertPool(context, from.rows, head.pooling, x)
  }

  /** Parts of which nothing trains run as in evaluation, so that computing them once beforehand gives the same. */
  #dropoutAt(seed: Tensor | undefined, kind: "hidden" | "attention" | "classifier", part: string, site: number) {
    if (seed === undefined) return undefined
    const { config, dropout, head, trainable } = this.options
    const hidden = dropout?.hidden ?? config.hidden_dropout_prob
    const attention = dropout?.attention ?? config.attention_probs_dropout_prob
    const classifier = head.dropout ?? config.classifier_dropout ?? hidden
    const rate = { hidden, attention, classifier }[kind]
    const trains = [...this.#shapes.keys()].some((name) => name.startsWith(`${part}.`) && trainable(name))
    return rate > 0 && trains ? { rate, seed, site } : undefined
  }
}

/** What the first block that is computed reads. */
export function encoderInput(context: BertContext, cut: number | undefined, tokenTypes: boolean) {
  const { config, g } = context
  const shape = ["batch", "length"]
  const mask = () => rowsOf(g, g.feed("attention_mask", "int32", shape, { below: 2 }))
  if (cut !== undefined) {
    const hidden = g.feed("hidden", "float32", [...shape, config.hidden_size])
    return { rows: mask(), x: g.reshape(hidden, ["batch*length", config.hidden_size]) }
  }
  g.limit("length", config.max_position_embeddings)
  const ids = g.feed("input_ids", "int32", shape, { below: config.vocab_size })
  const types = tokenTypes ? g.feed("token_type_ids", "int32", shape, { below: config.type_vocab_size }) : undefined
  const rows = mask()
  return { rows, x: bertEmbeddings(context, rows, ids, types) }
}

const crossEntropy: Objective = { kind: "cross_entropy" }

function labelFeed({ options: { head, objective } }: Model, g: Builder): Tensor {
  switch (objective?.kind) {
    case "binary_cross_entropy":
      return g.feed("labels", "float32", ["batch", head.labels])
    case "mean_squared_error":
      return g.feed("labels", "float32", ["batch"])
    default:
      return g.feed("labels", "int32", ["batch"], { below: head.labels, ignored: IGNORED })
  }
}

function evaluation(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "eval")
  const logits = model.logits(g, "eval")
  const kind = model.options.objective?.kind ?? "cross_entropy"
  const { losses } = objectiveLosses(g, logits, labelFeed(model, g), { kind })
  return g.finish({ logits, losses })
}

/** Forward and backward: the loss, and for each parameter that trains its gradient. */
function lossAndGradients(model: Model, g: Builder): { readonly loss: Tensor; readonly updates: Array<Update> } {
  const logits = model.logits(g, "train")
  const labels = labelFeed(model, g)
  const { objective = crossEntropy } = model.options
  const { loss } = objectiveLoss(g, { logits }, { labels, objective, count: g.feed("count", "float32", []) })
  const parameters = model
    .trainableNames()
    .map((name) => ({ variable: model.variable(name), value: g.read(model.variable(name)) }))
  const gradients = gradientsOf(
    g,
    loss,
    parameters.map(({ value }) => value)
  )
  const updates = parameters.flatMap(({ value, variable }) => {
    const gradient = gradients.get(value)
    return gradient === undefined ? [] : [{ variable, value, gradient }]
  })
  if (updates.length === 0) throw new Error("nothing trains")
  return { loss, updates }
}

/** Clips and updates; gives the norm before clipping and the nodes that change the parameters. */
function step(
  model: Model,
  g: Builder,
  updates: ReadonlyArray<Update>
): { readonly norm: Tensor; readonly nodes: Array<Node> } {
  const { max_grad_norm, optimizer } = model.options
  const norm = g.scope("clip", () => gradientNorm(g, updates))
  const factor = max_grad_norm === null ? undefined : g.scope("clip", () => clipFactor(g, norm, max_grad_norm))
  return { norm, nodes: g.scope("adamw", () => adamw(g, updates, optimizer, factor)) }
}

function training(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "train")
  const { loss, updates } = lossAndGradients(model, g)
  const { nodes, norm } = step(model, g, updates)
  return g.finish({ loss, grad_norm: norm }, { after: nodes, prepare: prepareAdamW(model.options.optimizer) })
}

const accumulated = (g: Builder, { variable }: Pick<Update, "variable">) =>
  g.graph.variable(`accumulated/${variable.name}`, variable.shape)

function accumulation(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "accumulate")
  const { loss, updates } = lossAndGradients(model, g)
  return g.finish({ loss }, { after: updates.map((update) => g.assignAdd(accumulated(g, update), update.gradient)) })
}

function application(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "apply")
  const updates = model.trainableNames().map((name) => {
    const variable = model.variable(name)
    return { variable, value: g.read(variable), gradient: g.read(accumulated(g, { variable })) }
  })
  const { nodes, norm } = step(model, g, updates)
  const cleared = updates.map((update) =>
    g.assign(accumulated(g, update), g.fill(update.variable.shape, 0), [...nodes, norm.node])
  )
  return g.finish(
    { grad_norm: norm },
    { after: [...nodes, ...cleared], prepare: prepareAdamW(model.options.optimizer) }
  )
}

function gradientFetches(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "gradients")
  const { updates } = lossAndGradients(model, g)
  return g.finish(Object.fromEntries(updates.map(({ gradient, variable }) => [variable.name, gradient])))
}

function initOptimizer(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "init_optimizer")
  const variables = model.trainableNames().flatMap((name) => {
    const variable = model.variable(name)
    return [...momentsOf(g, variable), ...(model.options.accumulation === true ? [accumulated(g, { variable })] : [])]
  })
  return g.finish(
    { done: g.scalar(1) },
    { after: variables.map((variable) => g.assign(variable, g.fill(variable.shape, 0))) }
  )
}

export interface FeaturesOptions {
  readonly config: BertConfig
  /** Left out: starts from token ids. Otherwise from the hidden states in front of this block, as `until` of another program left them. */
  readonly from?: number | undefined
  /** Where to stop: in front of a block (num_hidden_layers: the last hidden state), or pooled rows. */
  readonly until: Cut
  /** How rows are pooled, where they are. */
  readonly pooling?: Pooling | undefined
  readonly token_types?: boolean | undefined
}

/** A program with one function. */
export interface FeaturesProgram extends Program {
  /** Parameters between start and cut: write them before anything runs. */
  readonly parameters: ReadonlyArray<WeightSpec>
}

/**
 * Builds the part of a BERT in front of a cut, as in evaluation. One function, `features`:
 * {input_ids, attention_mask, token_type_ids if asked for} -> {hidden [B, T, C]} or {pooled [B, C]}: what `classifierProgram` is fed
 * after the same cut. With `from`, {hidden, attention_mask} are fed instead of token ids.
 */
export function featuresProgram({
  config,
  from,
  pooling = "mean",
  token_types,
  until
}: FeaturesOptions): FeaturesProgram {
  const graph = new Graph()
  const shapes = new Map(classifierModelWeights(config, { pooling, labels: 1 }).map((spec) => [spec.name, spec]))
  const used = new Set<string>()
  const g = new Builder(graph, "features")
  const weight = (name: string) => {
    used.add(name)
    return g.read(graph.variable(name, shapes.get(name)!.shape))
  }
  const context: BertContext = { g, config, weight, dropoutAt: () => undefined }
  const { rows, ...input } = encoderInput(context, from, token_types === true)
  let { x } = input
  const blocks = until === "pooled" ? config.num_hidden_layers : until
  for (let block = from ?? 0; block < blocks; block++) x = bertBlock(context, rows, block, x)
  const fetches: Record<string, Tensor> =
    until === "pooled"
      ? { pooled: bertPool(context, rows, pooling, x) }
      : { hidden: g.reshape(x, [rows.batch, rows.length, config.hidden_size]) }
  const program = finishProgram(graph, { features: g.finish(fetches) })
  return { ...program, parameters: [...shapes.values()].filter(({ name }) => used.has(name)) }
}
