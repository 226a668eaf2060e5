import { gradientsOf, recomputed } from "../autodiff.ts"
import { Builder, type Precision } from "../graph/Builder.ts"
import { Graph, type Node, type Tensor } from "../graph/Graph.ts"
import type { Feeds, Program, ProgramFunction } from "../graph/Program.ts"
import type { WeightSpec } from "../models/bert/weights.ts"
import { type Objective, objectiveLoss, objectiveLosses } from "../ops/objective.ts"
import { add } from "../ops/add.ts"
import { IGNORED } from "../ops/softmaxCrossEntropy.ts"
import { clipFactor, gradientNorm, type Update } from "../train/adamw.ts"
import { averageName, averaging } from "../train/average.ts"
import { finishProgram, zeroing } from "../train/variables.ts"
import type { NamedHead, Network, NetworkContext, NetworkOutput } from "./Network.ts"
import { type Optimizer, optimizerOf, type OptimizerOptions } from "./optimizers.ts"

export interface TrainingOptions {
  readonly network: Network
  /** Which parameters train, by name. */
  readonly trainable: (name: string) => boolean
  /** What training minimises over the rows whose label is not -100. Default: cross-entropy. */
  readonly objective?: Objective | undefined
  readonly optimizer: OptimizerOptions
  /** Gradients are scaled down to this norm; null: never. */
  readonly max_grad_norm: number | null
  /** Computes the values of blocks again for their derivatives: a third more time, and memory for one block instead of all. */
  readonly recompute?: boolean | undefined
  /**
   * What matrix products of a training step are computed in; default: float32. Weights, moments, sums and everything else stay float32,
   * and so do `eval` and `predict`. bfloat16 is TensorFlow's alone.
   */
  readonly precision?: Precision | undefined
  /** Adds `accumulate` and `apply`. */
  readonly accumulation?: boolean | undefined
  /** Adds `init_average` and `average`: see `averaging`. */
  readonly averages?: boolean | undefined
  /** Adds `gradients`, which fetches the gradient of each parameter that trains, by name. */
  readonly gradients?: boolean | undefined
}

/** A program to train a network, and the names of what it keeps. */
export interface TrainingProgram extends Program {
  /** Parameters that the program holds: write them before anything runs. */
  readonly parameters: ReadonlyArray<WeightSpec>
  readonly trainable: ReadonlyArray<string>
  /** What the optimizer keeps of the parameters that train, and their averages: with them and the next `optimizer_step` a training resumes exactly. */
  readonly optimizerState: ReadonlyArray<string>
  /** Running averages of the parameters that train, in their order; empty where none are kept. */
  readonly averages: ReadonlyArray<string>
}

/**
 * Builds the program of a network. Functions, whose INPUTS are the network's own feeds:
 *
 * - `init_optimizer` {} sets moments (and accumulated gradients) to zero.
 * - `train` {INPUTS, labels, count, learning_rate, optimizer_step (from 1), seed int32 [2]} -> {loss [], grad_norm []}.
 * - `eval` {INPUTS, labels} -> {logits [..., K], losses [N]}; a label of -100 counts nowhere.
 * - `predict` {INPUTS} -> {logits [..., K]}.
 * - `accumulate` {INPUTS, labels, count, seed} -> {loss []}, then `apply` {learning_rate, optimizer_step} -> {grad_norm []}.
 * - `gradients` {INPUTS, labels, count, seed} -> {NAME: gradient}.
 *
 * `count` is what the sum of losses is divided by: the supervised rows or tokens of the whole effective batch. A network's further heads
 * feed `labels_NAME` and `count_NAME` beside them, and `eval` gives `logits_NAME` and `losses_NAME`.
 */
export function trainingProgram(options: TrainingOptions): TrainingProgram {
  const model = new Model(options)
  const functions: Record<string, ProgramFunction> = {
    train: training(model),
    eval: evaluation(model),
    predict: prediction(model)
  }
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
        model.graph,
        trainable.map((name) => model.variable(name))
      )
    )
  return {
    ...finishProgram(model.graph, functions),
    parameters: options.network.parameters.filter(({ name }) => model.used.has(name)),
    trainable,
    optimizerState: [...model.stateOf(trainable).map(({ name }) => name), ...averages],
    averages
  }
}

type Prepare = (feeds: Feeds) => Feeds

/** One network in several functions: each builds the forward pass anew over the same variables. */
class Model {
  readonly graph = new Graph()
  readonly options: TrainingOptions
  readonly used = new Set<string>()
  readonly optimizer: Optimizer
  readonly #shapes: ReadonlyMap<string, ReadonlyArray<number>>

  constructor(options: TrainingOptions) {
    this.options = options
    this.optimizer = optimizerOf(options.optimizer)
    this.#shapes = new Map(options.network.parameters.map(({ name, shape }) => [name, shape]))
  }

  trainableNames(): Array<string> {
    return this.options.network.parameters.flatMap(({ name }) =>
      this.used.has(name) && this.options.trainable(name) ? [name] : []
    )
  }

  stateOf(names: ReadonlyArray<string>): Array<WeightSpec> {
    return names.flatMap((name) => this.optimizer.state({ name, shape: this.#shapes.get(name)! }))
  }

  variable(name: string) {
    const shape = this.#shapes.get(name)
    if (shape === undefined) throw new Error(`the network has no parameter "${name}"`)
    this.used.add(name)
    return this.graph.variable(name, shape)
  }

  forward(g: Builder, mode: "train" | "eval"): NetworkOutput {
    const seed = mode === "train" ? g.feed("seed", "int32", [2]) : undefined
    const { network, recompute, trainable } = this.options
    const context: NetworkContext = {
      g,
      weight: (name) => {
        const value = g.read(this.variable(name))
        if (mode === "train" && trainable(name)) g.trains.add(value)
        return value
      },
      dropoutAt: (rate, part, site) => {
        if (seed === undefined || rate === 0) return undefined
        const trains = [...this.#shapes.keys()].some((name) => name.startsWith(`${part}.`) && trainable(name))
        return trains ? { rate, seed, site } : undefined
      },
      adapt: (_, __, y) => y,
      block: mode === "train" && recompute === true ? (x, body) => recomputed(g, x, body) : undefined
    }
    return network.forward(context)
  }

  prepare(optimizer?: Prepare): { readonly prepare?: Prepare } {
    const { prepare } = this.options.network
    if (prepare === undefined) return optimizer === undefined ? {} : { prepare: optimizer }
    return { prepare: optimizer === undefined ? prepare : (feeds) => optimizer(prepare(feeds)) }
  }
}

/** Labels as the caller shapes them, and flat, as losses take them. */
function labelFeed(
  g: Builder,
  { labelShape, logits }: Pick<NetworkOutput, "labelShape" | "logits">,
  objective: Objective,
  feed = "labels"
): Tensor {
  const [rows, classes] = logits.shape
  switch (objective.kind) {
    case "cross_entropy":
      return g.reshape(g.feed(feed, "int32", labelShape, { below: Number(classes), ignored: IGNORED }), [rows!])
    case "binary_cross_entropy":
      return g.reshape(g.feed(feed, "float32", [...labelShape, classes!]), logits.shape)
    case "mean_squared_error":
      return g.reshape(g.feed(feed, "float32", labelShape), [rows!])
  }
}

const shaped = (g: Builder, { labelShape, logits }: Pick<NetworkOutput, "labelShape" | "logits">): Tensor =>
  g.reshape(logits, [...labelShape, logits.shape[1]!])

function evaluation(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "eval")
  const output = model.forward(g, "eval")
  const { kind } = model.options.objective ?? plain
  const { losses } = objectiveLosses(g, output.logits, labelFeed(g, output, { kind }), { kind })
  return g.finish({ logits: shaped(g, output), losses, ...furtherFetches(g, output) }, model.prepare())
}

/** What an evaluation gives of a network's further heads. */
function furtherFetches(g: Builder, { further = [] }: NetworkOutput): Record<string, Tensor> {
  const fetches: Record<string, Tensor> = {}
  for (const head of further) {
    fetches[`logits_${head.name}`] = shaped(g, head)
    const labels = labelFeed(g, head, plain, `labels_${head.name}`)
    fetches[`losses_${head.name}`] = objectiveLosses(g, head.logits, labels, plain).losses
  }
  return fetches
}

function prediction(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "predict")
  return g.finish({ logits: shaped(g, model.forward(g, "eval")) }, model.prepare())
}

const plain: Objective = { kind: "cross_entropy" }

function furtherLoss(g: Builder, head: NamedHead): Tensor {
  const labels = labelFeed(g, head, plain, `labels_${head.name}`)
  const count = g.feed(`count_${head.name}`, "float32", [])
  return objectiveLoss(g, { logits: head.logits }, { labels, objective: plain, count }).loss
}

function lossAndGradients(model: Model, g: Builder): { readonly loss: Tensor; readonly updates: Array<Update> } {
  const output = model.forward(g, "train")
  const objective = model.options.objective ?? plain
  const labels = labelFeed(g, output, objective)
  const count = g.feed("count", "float32", [])
  const first = objectiveLoss(g, { logits: output.logits }, { labels, objective, count }).loss
  const loss = (output.further ?? []).reduce((sum, head) => add(g, { a: sum, b: furtherLoss(g, head) }).y, first)
  const parameters = model.trainableNames().map((name) => {
    const variable = model.variable(name)
    return { variable, value: g.read(variable) }
  })
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

function step(model: Model, g: Builder, updates: ReadonlyArray<Update>) {
  const { max_grad_norm, optimizer } = model.options
  const norm = g.scope("clip", () => gradientNorm(g, updates))
  const factor = max_grad_norm === null ? undefined : g.scope("clip", () => clipFactor(g, norm, max_grad_norm))
  const nodes: Array<Node> = g.scope(optimizer.kind, () => model.optimizer.update(g, updates, factor))
  return { norm, nodes }
}

function training(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "train", model.options.precision)
  const { loss, updates } = lossAndGradients(model, g)
  const { nodes, norm } = step(model, g, updates)
  return g.finish({ loss, grad_norm: norm }, { after: nodes, ...model.prepare(model.optimizer.prepare) })
}

const accumulated = (g: Builder, { variable }: Pick<Update, "variable">) =>
  g.graph.variable(`accumulated/${variable.name}`, variable.shape)

function accumulation(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "accumulate", model.options.precision)
  const { loss, updates } = lossAndGradients(model, g)
  const after = updates.map((update) => g.assignAdd(accumulated(g, update), update.gradient))
  return g.finish({ loss }, { after, ...model.prepare() })
}

function application(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "apply")
  const updates = model.trainableNames().map((name) => {
    const variable = model.variable(name)
    return { variable, value: g.read(variable), gradient: g.read(accumulated(g, { variable })) }
  })
  const { nodes, norm } = step(model, g, updates)
  const sums = updates.map((update) => accumulated(g, update))
  const cleared = zeroing(g, sums, [...nodes, norm.node])
  const prepare: Prepare = (feeds) => cleared.prepare(model.optimizer.prepare(feeds))
  return g.finish({ grad_norm: norm }, { after: [...nodes, ...cleared.nodes], prepare })
}

function gradientFetches(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "gradients", model.options.precision)
  const { updates } = lossAndGradients(model, g)
  const fetches = Object.fromEntries(updates.map(({ gradient, variable }) => [variable.name, gradient]))
  return g.finish(fetches, model.prepare())
}

function initOptimizer(model: Model): ProgramFunction {
  const g = new Builder(model.graph, "init_optimizer")
  const names = model.trainableNames()
  const kept = model.stateOf(names).map(({ name, shape }) => g.graph.variable(name, shape))
  const sums =
    model.options.accumulation === true ? names.map((name) => accumulated(g, { variable: model.variable(name) })) : []
  const { nodes, prepare } = zeroing(g, [...kept, ...sums])
  return g.finish({ done: g.scalar(1) }, { after: nodes, prepare })
}
