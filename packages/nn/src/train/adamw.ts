import type { Builder } from "../graph/Builder.ts"
import type { Node, Tensor, Variable } from "../graph/Graph.ts"
import type { Feeds } from "../graph/Program.ts"

export interface AdamWOptions {
  readonly kind: "adamw"
  readonly betas: readonly [number, number]
  readonly eps: number
  /** Decoupled: weights shrink by learning_rate * weight_decay before each update. */
  readonly weight_decay: number
  /** Which parameters do not decay. */
  readonly no_decay: (name: string) => boolean
  /** What the learning rate of a parameter is multiplied with; left out, 1 for all. */
  readonly rate?: ((name: string) => number) | undefined
  /**
   * By the name of every parameter that trains, the optimizer steps done before it began to: bias corrections count from there, as
   * its moments do. Left out, 0 for all.
   */
  readonly since?: ReadonlyMap<string, number> | undefined
}

/** A parameter, its value as this function reads it, and its gradient. */
export interface Update {
  readonly variable: Variable
  readonly value: Tensor
  readonly gradient: Tensor
}

/** Names of the moments of a parameter, as PyTorch spells them. */
export const momentNames = (parameter: string): readonly [string, string] => [
  `exp_avg/${parameter}`,
  `exp_avg_sq/${parameter}`
]

export const momentsOf = (g: Builder, { name, shape }: Variable): readonly [Variable, Variable] => {
  const [first, second] = momentNames(name)
  return [g.graph.variable(first, shape), g.graph.variable(second, shape)]
}

/**
 * What a step's hyperparameters become. Bias corrections are folded into two numbers, in double precision, so that the kernel's own
 * (its powers of beta are fed as zero) change nothing:
 * lr m̂ / (√v̂ + eps) = (lr √c2 / c1) m / (√v + eps √c2), where c = 1 - beta^t.
 *
 * `optimizer_step` counts from 1.
 */
export function adamwFeeds(
  { betas: [beta1, beta2], eps, weight_decay }: AdamWOptions,
  learningRate: number,
  optimizerStep: number
): Feeds {
  const root = Math.sqrt(1 - beta2 ** optimizerStep)
  return {
    step_size: (learningRate * root) / (1 - beta1 ** optimizerStep),
    epsilon: eps * root,
    kept: 1 - learningRate * weight_decay
  }
}

/** A feed of the parameters that train since an optimizer step. */
const feedSince = (name: "step_size" | "epsilon", since: number): string => (since === 0 ? name : `${name}/${since}`)

/** Takes `learning_rate` and `optimizer_step` out of the feeds and puts in what the graph is fed. */
export const prepareAdamW = (options: AdamWOptions) => {
  const starts = [...new Set(options.since?.values() ?? [0])]
  const last = Math.max(...starts)
  return (feeds: Feeds): Feeds => {
    const { learning_rate, optimizer_step, ...rest } = feeds
    if (typeof learning_rate !== "number" || typeof optimizer_step !== "number" || !(optimizer_step > last)) {
      throw new TypeError(`learning_rate and optimizer_step (from ${last + 1}) must be fed as numbers`)
    }
    const fed: Record<string, Feeds[string]> = { ...rest }
    for (const since of starts) {
      const { epsilon, kept, step_size } = adamwFeeds(options, learning_rate, optimizer_step - since)
      fed[feedSince("step_size", since)] = step_size!
      fed[feedSince("epsilon", since)] = epsilon!
      fed["kept"] = kept!
    }
    return fed
  }
}

/** The norm of all gradients as one vector, before clipping. */
export const gradientNorm = (g: Builder, updates: ReadonlyArray<Update>): Tensor =>
  g.sqrt(g.mul(g.scalar(2), g.addN(updates.map(({ gradient }) => g.l2Loss(gradient)))))

/** min(1, max_grad_norm / (norm + 1e-6)). Source: `torch.nn.utils.clip_grad_norm_`. */
export const clipFactor = (g: Builder, norm: Tensor, maxGradNorm: number): Tensor =>
  g.minimum(g.scalar(1), g.div(g.scalar(maxGradNorm), g.add(norm, g.scalar(1e-6))))

/**
 * Makes the updates of parameters wait for one another, so that what an update makes on its way (a clipped gradient, a decayed weight) is there for one
 * parameter at a time and not for all: engines run what they can, and clipping makes all updates possible at once. The last parameter is the
 * first, as its gradient is.
 */
export function inTurn(
  g: Builder,
  updates: ReadonlyArray<Update>,
  nodesOf: (update: Update) => Array<Node>
): Array<Node> {
  const turns: Array<Array<Node>> = []
  for (const update of updates.toReversed()) turns.push(g.after(turns.at(-1) ?? [], () => nodesOf(update)))
  return turns.flat()
}

/**
 * One AdamW step on every parameter; gives the nodes that change them.
 *
 * Source: Loshchilov & Hutter (2019); `torch.optim.AdamW`, whose numbers it gives.
 *
 * @param factor float32 [] that gradients are multiplied with, or none
 */
export function adamw(
  g: Builder,
  updates: ReadonlyArray<Update>,
  options: AdamWOptions,
  factor: Tensor | undefined
): Array<Node> {
  const starts = [...new Set(updates.map(({ variable }) => startOf(options, variable)))]
  const feeds = new Map(
    starts
      .flatMap((since) => [feedSince("step_size", since), feedSince("epsilon", since)])
      .map((feed) => [feed, g.feed(feed, "float32", [])] as const)
  )
  const kept = g.feed("kept", "float32", [])
  const zero = g.scalar(0)
  const betas = options.betas.map((beta) => g.scalar(beta))
  return inTurn(g, updates, ({ gradient, value, variable }) => {
    const rate = options.rate?.(variable.name) ?? 1
    const since = startOf(options, variable)
    const stepSize = feeds.get(feedSince("step_size", since))!
    const clipped = factor === undefined ? gradient : g.mul(gradient, factor)
    // Not before the last reader of the old value, or TensorFlow would have to keep a copy of it.
    const control = g.readersOf(value)
    if (options.weight_decay > 0 && !options.no_decay(variable.name)) {
      control.push(
        g.assign(variable, g.mul(g.readAfter(variable, [clipped.node]), keptAt(g, kept, rate)), [...control])
      )
    }
    const moments = momentsOf(g, variable).map(({ handle }) => handle)
    const apply = g.node(
      "ResourceApplyAdam",
      [
        variable.handle,
        ...moments,
        zero,
        zero,
        rate === 1 ? stepSize : g.mul(stepSize, g.scalar(rate)),
        ...betas,
        feeds.get(feedSince("epsilon", since))!,
        clipped
      ],
      {},
      { control }
    )
    return [apply]
  })
}

/** The optimizer steps done before a parameter began to train. */
const startOf = ({ since }: AdamWOptions, { name }: Variable): number => (since === undefined ? 0 : since.get(name)!)

/** 1 - rate * learning_rate * weight_decay, from 1 - learning_rate * weight_decay. */
const keptAt = (g: Builder, kept: Tensor, rate: number): Tensor =>
  rate === 1 ? kept : g.sub(g.scalar(1), g.mul(g.scalar(rate), g.sub(g.scalar(1), kept)))
