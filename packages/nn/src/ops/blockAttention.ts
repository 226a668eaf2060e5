import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import { type Dim, dividedBy, product } from "../graph/dims.ts"
import type { Node, Tensor } from "../graph/Graph.ts"
import { biasOf, causalBias, causalBiasOf } from "./causalBias.ts"
import { droppedBy, dropoutStays } from "./dropout.ts"
import { biasOfBuckets, bucketIndices, gradientOfBuckets, type RelativeBiasOptions } from "./relativeBias.ts"
import {
  fromGroups,
  type GroupedAttentionOptions,
  type Grouping,
  perGroup,
  perHead,
  type Qkv,
  toGroups
} from "./groupedAttention.ts"

/** Which keys a query sees, as what it follows from: the T x T that it makes is never in memory. */
export interface Seen {
  /** float32 [B, T]: 1 for a token, 0 for padding, which nobody sees. */
  readonly mask?: Tensor | undefined
  /** int32 [B, T]: tokens see those of their own segment alone. */
  readonly segments?: Tensor | undefined
  /** Whether tokens see none behind them; with a window, no more than so many, themselves among them. */
  readonly causal: boolean
  readonly window: number | null
}

export interface BlockAttentionOptions extends Omit<GroupedAttentionOptions, "bias" | "queries" | "keys"> {
  /** T, of which `blocks` must be a divisor. */
  readonly length: Dim
  readonly blocks: number
  readonly seen: Seen
}

/** A learnt bias for each head and bucket of distances: see `relativeBias`. Scores are not capped then. */
export interface PlacedBlockAttentionOptions extends Omit<BlockAttentionOptions, "softCap"> {
  readonly relative: Pick<RelativeBiasOptions, "maxDistance" | "direction">
}

/** Dropout sites of a model lie below; those of its blocks of attention above. */
const FIRST_BLOCK_SITE = 1024

/** A head's output and its scores' logarithm of summed exponentials, float32 [B, H, T/blocks, 1]. */
interface BlockOfQueries {
  readonly y: Tensor
  readonly logSum: Tensor
}

interface Relative {
  /** float32 [buckets, H] */
  readonly table: Tensor
  readonly buckets: Parameters<typeof bucketIndices>[3]
}

/** Attention's parts by block: i counts blocks of queries, j blocks of keys. */
class Blocks {
  readonly #g: Builder
  readonly #o: BlockAttentionOptions
  /** As for a whole attention over one block of queries and one of keys. */
  readonly #inner: Grouping
  readonly #size: Dim
  readonly #biases = new Map<string, Tensor>()
  readonly #relative: Relative | undefined

  constructor(g: Builder, options: BlockAttentionOptions, relative?: Relative) {
    this.#g = g
    this.#o = options
    this.#relative = relative
    this.#size = dividedBy(options.length, options.blocks)
    this.#inner = { ...options, queries: this.#size, keys: this.#size }
  }

  /** Blocks of keys that a block of queries may see something of. */
  keysOf(i: number): Array<number> {
    return Array.from({ length: this.#o.seen.causal ? i + 1 : this.#o.blocks }, (_, j) => j)
  }

  /** Rows of a block: of [B*T, W], [B*T/blocks, W]. */
  part(x: Tensor, i: number): Tensor {
    const { batch, blocks } = this.#o
    const width = x.shape[1]!
    const g = this.#g
    const all = g.reshape(x, [batch, blocks, this.#size, width])
    const one = g.slice(all, [0, i, 0, 0], [batch, 1, this.#size, width])
    return g.reshape(one, [this.#rows(), width])
  }

  #rows(): Dim {
    return dividedBy(this.#whole(), this.#o.blocks)
  }

  #whole(): Dim {
    const { batch, length } = this.#o
    return product([batch, length])
  }

  /** The way back: [B*T/blocks, W] of each block to [B*T, W]. */
  joined(parts: ReadonlyArray<Tensor>): Tensor {
    const { batch } = this.#o
    const g = this.#g
    const width = parts[0]!.shape[1]!
    const all = g.concat(
      parts.map((x) => g.reshape(x, [batch, 1, this.#size, width])),
      1
    )
    return g.reshape(all, [this.#whole(), width])
  }

  heads(x: Tensor, heads: number): Tensor {
    return toGroups(this.#g, x, this.#size, heads, this.#inner)
  }

  rows(x: Tensor, heads: number): Tensor {
    return fromGroups(this.#g, x, this.#size, heads, this.#inner)
  }

  /** [B, keyHeads, groups * T/blocks, D] to and from [B, H, T/blocks, D]. */
  perHead = (x: Tensor): Tensor => perHead(this.#g, x, { ...this.#inner, keys: x.shape[3]! })
  perGroup = (x: Tensor): Tensor => perGroup(this.#g, x, { ...this.#inner, keys: x.shape[3]! })

  /** Scores of a block of queries against one of keys, [B, H, T/blocks, T/blocks], and their tanh where they are capped. */
  scores(qh: Tensor, kh: Tensor, i: number, j: number) {
    const g = this.#g
    const { softCap } = this.#o
    const raw = this.perHead(g.batchMatmul(qh, kh, false, true))
    const capped = softCap === undefined ? undefined : g.tanh(g.mul(raw, g.scalar(1 / softCap)))
    const held = this.#placed(capped === undefined ? raw : g.mul(capped, g.scalar(softCap!)), i, j)
    return { capped, scores: this.#biasesOf(i, j).reduce((sum, bias) => g.add(sum, bias), held) }
  }

  /** Scores with what the table says of their distances: gathered for each block, and let go with it. */
  #placed(scores: Tensor, i: number, j: number): Tensor {
    if (this.#relative === undefined) return scores
    const g = this.#g
    return g.add(scores, biasOfBuckets(g, this.#relative.table, this.#indices(i, j), this.#size, this.#size))
  }

  /** int32 [T/blocks * T/blocks]: blocks as far from one another are alike. */
  #indices(i: number, j: number): Tensor {
    const make = () =>
      bucketIndices(
        this.#g,
        this.#places(Math.max(i - j, 0)),
        this.#places(Math.max(j - i, 0)),
        this.#relative!.buckets
      )
    return this.#once(`buckets ${i - j}`, make)
  }

  /** What a block's scores, with everything added, say to the table. @param dScores float32 [B, H, T/blocks, T/blocks] */
  tableGradient(dScores: Tensor, i: number, j: number): Tensor {
    const g = this.#g
    return gradientOfBuckets(g, g.sum(dScores, [0], true), this.#indices(i, j), this.#relative!.buckets.count)
  }

  #biasesOf(i: number, j: number): Array<Tensor> {
    const g = this.#g
    const { mask, segments, causal, window } = this.#o.seen
    const { batch } = this.#o
    const size = this.#size
    const column = (x: Tensor, at: number, shape: ReadonlyArray<Dim>) =>
      g.reshape(this.part(g.reshape(x, [this.#whole(), 1]), at), shape)
    const found: Array<Tensor> = []
    // Without a window, all of an earlier block is seen, and the blocks on the diagonal are alike.
    if (causal && window !== null)
      found.push(this.#once(`${i} to ${j}`, () => causalBiasOf(g, this.#places(i), this.#places(j), window)))
    else if (causal && i === j) found.push(this.#once("diagonal", () => causalBias(g, g.range(size), size, null)))
    if (mask !== undefined) found.push(this.#once(`mask ${j}`, () => biasOf(g, column(mask, j, [batch, 1, 1, size]))))
    if (segments !== undefined) {
      const apart = g.notEqual(column(segments, i, [batch, size, 1]), column(segments, j, [batch, 1, size]))
      found.push(g.reshape(biasOf(g, g.sub(g.scalar(1), g.cast(apart, "float32"))), [batch, 1, size, size]))
    }
    return found
  }

  /** int32 [T/blocks]: where in their rows a block's tokens stand. */
  #places(i: number): Tensor {
    const { blocks, length } = this.#o
    const g = this.#g
    const all = g.reshape(g.range(length), [blocks, this.#size])
    return g.reshape(g.slice(all, [i, 0], [1, this.#size]), [this.#size])
  }

  #once(key: string, make: () => Tensor): Tensor {
    const known = this.#biases.get(key) ?? make()
    this.#biases.set(key, known)
    return known
  }

  /** The block's part of dropout, drawn from a site of its own: again the same whenever it is asked for. */
  stays(weights: Tensor, i: number, j: number): Tensor | undefined {
    const { blocks, dropout } = this.#o
    if (dropout === undefined) return undefined
    const site = dropout.site + FIRST_BLOCK_SITE * (1 + i * blocks + j)
    return dropoutStays(this.#g, weights.shape, { ...dropout, site })
  }

  /** One block of queries over the keys that it sees, block after block. @param first what has to have run before */
  queries(qh: Tensor, kh: ReadonlyArray<Tensor>, vh: ReadonlyArray<Tensor>, i: number, first: Node): BlockOfQueries {
    const g = this.#g
    let state: { readonly top: Tensor; readonly sum: Tensor; readonly mixed: Tensor } | undefined
    for (const j of this.keysOf(i)) {
      const last = state
      state = g.after([last?.mixed.node ?? first], () => {
        const { scores } = this.scores(qh, kh[j]!, i, j)
        const largest = g.max(scores, [-1], true)
        const top = last === undefined ? largest : g.maximum(last.top, largest)
        const shares = g.exp(g.sub(scores, top))
        const sum = g.sum(shares, [-1], true)
        const dropped = droppedBy(g, shares, this.stays(shares, i, j), this.#o.dropout)
        const mixed = this.perHead(g.batchMatmul(this.perGroup(dropped), vh[j]!))
        if (last === undefined) return { top, sum, mixed }
        // What was added up under a smaller maximum counts for less under this one.
        const less = g.exp(g.sub(last.top, top))
        return { top, sum: g.add(g.mul(last.sum, less), sum), mixed: g.add(g.mul(last.mixed, less), mixed) }
      })
    }
    const { mixed, sum, top } = state!
    return { y: this.rows(this.perGroup(g.div(mixed, sum)), this.#o.heads), logSum: g.add(top, g.log(sum)) }
  }
}

function forward(g: Builder, { k, q, v }: Qkv, options: BlockAttentionOptions, relative?: Relative) {
  const blocks = new Blocks(g, options, relative)
  const { heads, keyHeads } = options
  const all = Array.from({ length: options.blocks }, (_, i) => i)
  const scaled = g.mul(q, g.scalar(options.scale))
  const qh = all.map((i) => blocks.heads(blocks.part(scaled, i), heads))
  const kh = all.map((j) => blocks.heads(blocks.part(k, j), keyHeads))
  const vh = all.map((j) => blocks.heads(blocks.part(v, j), keyHeads))
  const made: Array<BlockOfQueries> = []
  for (const i of all) made.push(blocks.queries(qh[i]!, kh, vh, i, (made.at(-1)?.y ?? scaled).node))
  const y = blocks.joined(made.map((of) => of.y))
  return { outputs: { y }, keep: { blocks, kh, logSums: made.map((of) => of.logSum), qh, vh, y } }
}

type Keep = ReturnType<typeof forward>["keep"]

/** @param wantsTable whether the gradient of a table is asked for, too */
function backward(
  g: Builder,
  dy: Tensor,
  keep: Keep,
  options: BlockAttentionOptions,
  wantsTable: "table" | "no table"
) {
  const { blocks, kh, logSums, qh, vh, y } = keep
  const { heads, keyHeads, softCap } = options
  const dq: Array<Tensor> = []
  const dk: Array<Tensor> = []
  const dv: Array<Tensor> = []
  let table: Tensor | undefined
  const plus = (sum: Tensor | undefined, x: Tensor) => (sum === undefined ? x : g.add(sum, x))
  let last = dy.node
  for (let i = 0; i < options.blocks; i++) {
    const dyh = g.after([last], () => blocks.heads(blocks.part(dy, i), heads))
    const yh = g.after([last], () => blocks.heads(blocks.part(y, i), heads))
    const along = blocks.perHead(g.sum(g.mul(dyh, yh), [-1], true))
    for (const j of blocks.keysOf(i)) {
      g.after([last], () => {
        const { capped, scores } = blocks.scores(qh[i]!, kh[j]!, i, j)
        const weights = g.exp(g.sub(scores, logSums[i]!))
        const stays = blocks.stays(weights, i, j)
        const dropped = blocks.perGroup(droppedBy(g, weights, stays, options.dropout))
        const dDropped = blocks.perHead(g.batchMatmul(dyh, vh[j]!, false, true))
        const dWeights = droppedBy(g, dDropped, stays, options.dropout)
        const dScores = g.mul(weights, g.sub(dWeights, along))
        if (wantsTable === "table") table = plus(table, blocks.tableGradient(dScores, i, j))
        const ds = blocks.perGroup(softCap === undefined ? dScores : g.tanhGrad(capped!, dScores))
        dv[j] = plus(dv[j], g.batchMatmul(dropped, dyh, true, false))
        dk[j] = plus(dk[j], g.batchMatmul(ds, qh[i]!, true, false))
        dq[i] = plus(dq[i], g.batchMatmul(ds, kh[j]!))
      })
      last = dq[i]!.node
    }
  }
  const rows = (parts: ReadonlyArray<Tensor>, count: number) => blocks.joined(parts.map((x) => blocks.rows(x, count)))
  return { q: g.mul(rows(dq, heads), g.scalar(options.scale)), k: rows(dk, keyHeads), v: rows(dv, keyHeads), table }
}

/**
 * As `groupedAttention` over rows of T tokens, in blocks of T / blocks: of the weights no more than one block of queries against one of
 * keys is in memory, on the way forward and back. Blocks that a causal mask hides are left out. For long rows.
 *
 * Softmax goes on from block to block with a running maximum; its derivative computes weights again from the logarithms of their sums.
 * Dropout draws other masks than `groupedAttention`'s.
 *
 * Source: Milakov & Gimelshein (2018), "Online normalizer calculation for softmax"; Dao et al. (2022), FlashAttention.
 *
 * @param q float32 [B*T, H*D]
 * @param k float32 [B*T, keyHeads*D]
 * @param v float32 [B*T, keyHeads*D]
 * @returns y float32 [B*T, H*D]
 */
export const blockAttention = operation("blockAttention", {
  forward: (g, inputs: Qkv, options: BlockAttentionOptions) => forward(g, inputs, options),
  backward: (g, { y }, { keep }, options) => {
    const { k, q, v } = backward(g, y, keep, options, "no table")
    return { q, k, v }
  }
})

/**
 * The same with a learnt bias by distance, as `placedAttention` under `relativeBias`: of the biases, too, no more than a block is made.
 *
 * Source: Raffel et al. (2020), T5. Golden: tiny-families/t5.
 *
 * @param q float32 [B*T, H*D]
 * @param k float32 [B*T, keyHeads*D]
 * @param v float32 [B*T, keyHeads*D]
 * @param table float32 [buckets, H]
 * @returns y float32 [B*T, H*D]
 */
export const placedBlockAttention = operation("placedBlockAttention", {
  forward: (
    g,
    { table, ...inputs }: Readonly<Record<"q" | "k" | "v" | "table", Tensor>>,
    { relative, ...options }: PlacedBlockAttentionOptions
  ) => forward(g, inputs, options, { table, buckets: { ...relative, count: Number(table.shape[0]) } }),
  backward: (g, { y }, { keep, wants }, options) => backward(g, y, keep, options, wants("table") ? "table" : "no table")
})
