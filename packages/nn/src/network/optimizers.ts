import type { Builder } from "../graph/Builder.ts"
import type { Node, Tensor, Variable } from "../graph/Graph.ts"
import type { Feeds } from "../graph/Program.ts"
import type { WeightSpec } from "../models/bert/weights.ts"
import { adamw, inTurn, type AdamWOptions, momentNames, prepareAdamW, type Update } from "../train/adamw.ts"

interface Decay {
  /** SGD adds it to the gradient, as PyTorch does; the others shrink weights by learning_rate * weight_decay before the update. */
  readonly weight_decay: number
  /** Which parameters do not decay. */
  readonly no_decay: (name: string) => boolean
}

/** Source: `torch.optim.SGD`, without dampening. */
export interface SgdOptions extends Decay {
  readonly kind: "sgd"
  readonly momentum: number
  readonly nesterov: boolean
}

/** Source: Chen et al. (2023), "Symbolic Discovery of Optimization Algorithms", algorithm 2. */
export interface LionOptions extends Decay {
  readonly kind: "lion"
  readonly betas: readonly [number, number]
}

/** Source: Shazeer & Stern (2018); `torch.optim.Adafactor`: steps in proportion to the weights' size, one moment, by rows and columns. */
export interface AdafactorOptions extends Decay {
  readonly kind: "adafactor"
  /** Exponent of the step by which the second moment forgets: -0.8. */
  readonly beta2_decay: number
  /** The least size of weights that steps are in proportion to: 1e-3. */
  readonly eps: number
  /** Updates are scaled down to this root mean square: 1. */
  readonly clip: number
}

export type OptimizerOptions = AdamWOptions | SgdOptions | LionOptions | AdafactorOptions

/** An optimizer as a program needs it. */
export interface Optimizer {
  /** What it keeps for a parameter; zeros at the start. */
  readonly state: (parameter: WeightSpec) => ReadonlyArray<WeightSpec>
  /** Takes `learning_rate` and `optimizer_step` (from 1) out of the feeds and puts in what its nodes are fed. */
  readonly prepare: (feeds: Feeds) => Feeds
  /** The nodes that change parameters and state. @param factor float32 [] that gradients are multiplied with, or none */
  readonly update: (g: Builder, updates: ReadonlyArray<Update>, factor: Tensor | undefined) => Array<Node>
}

export function optimizerOf(options: OptimizerOptions): Optimizer {
  switch (options.kind) {
    case "adamw":
      return {
        state: ({ name, shape }) => momentNames(name).map((moment) => ({ name: moment, shape })),
        prepare: prepareAdamW(options),
        update: (g, updates, factor) => adamw(g, updates, options, factor)
      }
    case "sgd":
      return sgd(options)
    case "lion":
      return lion(options)
    case "adafactor":
      return adafactor(options)
  }
}

/** Turns the two numbers that every caller feeds into an optimizer's own. */
const preparing =
  (own: (learningRate: number, optimizerStep: number) => Feeds) =>
  (feeds: Feeds): Feeds => {
    const { learning_rate, optimizer_step, ...rest } = feeds
    if (typeof learning_rate !== "number" || typeof optimizer_step !== "number" || !(optimizer_step >= 1))
      throw new TypeError("learning_rate and optimizer_step (from 1) must be fed as numbers")
    return { ...rest, ...own(learning_rate, optimizer_step) }
  }

const clippedBy = (g: Builder, gradient: Tensor, factor: Tensor | undefined): Tensor =>
  factor === undefined ? gradient : g.mul(gradient, factor)

const decays = ({ no_decay, weight_decay }: Decay, { name }: Variable): boolean => weight_decay > 0 && !no_decay(name)

/** Stores a parameter's new value once nothing needs the old one. */
const store = (g: Builder, { value, variable }: Update, next: Tensor): Node =>
  g.assign(variable, next, g.readersOf(value))

function sgd(options: SgdOptions): Optimizer {
  const { momentum, nesterov, weight_decay } = options
  const bufferOf = (name: string) => `momentum_buffer/${name}`
  return {
    state: ({ name, shape }) => (momentum === 0 ? [] : [{ name: bufferOf(name), shape }]),
    prepare: preparing((learningRate) => ({ step_size: learningRate })),
    update: (g, updates, factor) => {
      const stepSize = g.feed("step_size", "float32", [])
      return inTurn(g, updates, (update) => {
        const { value, variable } = update
        const plain = clippedBy(g, update.gradient, factor)
        const slope = decays(options, variable) ? g.add(plain, g.mul(g.scalar(weight_decay), value)) : plain
        if (momentum === 0) return [store(g, update, g.sub(value, g.mul(stepSize, slope)))]
        const buffer = g.graph.variable(bufferOf(variable.name), variable.shape)
        const speed = g.add(g.mul(g.scalar(momentum), g.read(buffer)), slope)
        const ahead = nesterov ? g.add(slope, g.mul(g.scalar(momentum), speed)) : speed
        return [g.assign(buffer, speed), store(g, update, g.sub(value, g.mul(stepSize, ahead)))]
      })
    }
  }
}

function lion(options: LionOptions): Optimizer {
  const [beta1, beta2] = options.betas
  const momentOf = (name: string) => `exp_avg/${name}`
  return {
    state: ({ name, shape }) => [{ name: momentOf(name), shape }],
    prepare: preparing((learningRate) => ({
      step_size: learningRate,
      kept: 1 - learningRate * options.weight_decay
    })),
    update: (g, updates, factor) => {
      const stepSize = g.feed("step_size", "float32", [])
      const kept = g.feed("kept", "float32", [])
      const mixed = (beta: number, old: Tensor, fresh: Tensor) =>
        g.add(g.mul(g.scalar(beta), old), g.mul(g.scalar(1 - beta), fresh))
      return inTurn(g, updates, (update) => {
        const { value, variable } = update
        const slope = clippedBy(g, update.gradient, factor)
        const variableOfMoment = g.graph.variable(momentOf(variable.name), variable.shape)
        const moment = g.read(variableOfMoment)
        const direction = signOf(g, mixed(beta1, moment, slope))
        const held = decays(options, variable) ? g.mul(value, kept) : value
        return [
          g.assign(variableOfMoment, mixed(beta2, moment, slope)),
          store(g, update, g.sub(held, g.mul(stepSize, direction)))
        ]
      })
    }
  }
}

/** 1, 0 or -1. */
function signOf(g: Builder, x: Tensor): Tensor {
  const zero = g.scalar(0)
  return g.sub(g.cast(g.greaterEqual(x, zero), "float32"), g.cast(g.greaterEqual(zero, x), "float32"))
}

/** The distance from 1 to the next float32: PyTorch's floor of the second moment's root. */
const FLOOR = 2 ** -23

/** Second moments of a matrix are kept as means of its rows and of its columns; a stack of matrices as that of each. */
function adafactorState({ name, shape }: WeightSpec): Array<WeightSpec> {
  if (shape.length < 2) return [{ name: `variance/${name}`, shape }]
  const [outer, rows, columns] = [shape.slice(0, -2), shape.at(-2)!, shape.at(-1)!]
  return [
    { name: `row_var/${name}`, shape: [...outer, rows, 1] },
    { name: `col_var/${name}`, shape: [...outer, 1, columns] }
  ]
}

function adafactor(options: AdafactorOptions): Optimizer {
  return {
    state: adafactorState,
    prepare: preparing((learningRate, step) => ({
      step_size: Math.min(learningRate, 1 / Math.sqrt(step)),
      kept: 1 - learningRate * options.weight_decay,
      fresh_share: step ** options.beta2_decay
    })),
    update: (g, updates, factor) => {
      const stepSize = g.feed("step_size", "float32", [])
      const kept = g.feed("kept", "float32", [])
      const share = g.feed("fresh_share", "float32", [])
      return inTurn(g, updates, (update) => {
        const { value, variable } = update
        const slope = clippedBy(g, update.gradient, factor)
        const { estimate, nodes } = secondMoment(g, variable, g.square(slope), share)
        const raw = g.mul(slope, g.rsqrt(g.maximum(estimate, g.scalar(FLOOR ** 2))))
        const tooLarge = g.maximum(g.scalar(1), g.mul(rootMeanSquare(g, raw, variable), g.scalar(1 / options.clip)))
        const size = g.mul(stepSize, g.maximum(g.scalar(options.eps), rootMeanSquare(g, value, variable)))
        const held = decays(options, variable) ? g.mul(value, kept) : value
        return [...nodes, store(g, update, g.sub(held, g.mul(raw, g.div(size, tooLarge))))]
      })
    }
  }
}

/** The new estimate of the squared gradient, and the nodes that store what it is made of. */
function secondMoment(g: Builder, { name, shape }: Variable, squares: Tensor, share: Tensor) {
  const nodes: Array<Node> = []
  const follow = ({ name: stateName, shape: stateShape }: WeightSpec, fresh: Tensor): Tensor => {
    const variable = g.graph.variable(stateName, stateShape)
    const old = g.read(variable)
    const next = g.add(old, g.mul(share, g.sub(fresh, old)))
    nodes.push(g.assign(variable, next))
    return next
  }
  const [first, second] = adafactorState({ name, shape })
  if (second === undefined) return { estimate: follow(first!, squares), nodes }
  const rows = follow(first!, g.mean(squares, [-1], true))
  const columns = follow(second, g.mean(squares, [-2], true))
  const level = g.maximum(g.mean(rows, [-2], true), g.scalar(FLOOR))
  return { estimate: g.div(g.mul(rows, columns), level), nodes }
}

function rootMeanSquare(g: Builder, x: Tensor, { shape }: Variable): Tensor {
  const count = shape.reduce((a, b) => a * b, 1)
  return g.sqrt(g.mul(g.l2Loss(x), g.scalar(2 / count)))
}
