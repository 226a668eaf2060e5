import type { Graph, Tensor } from "./Graph.ts"

/** What a caller hands to a run: a scalar, a vector, or values with their shape. */
export type Feed =
  | number
  | Float32Array
  | Int32Array
  | { readonly data: Float32Array | Int32Array; readonly shape: ReadonlyArray<number> }
export type Feeds = Readonly<Record<string, Feed>>
export type Values = Float32Array | Int32Array

/** Which values a feed may hold: whole numbers from 0 to below `below`, and `ignored`. */
export interface Bounds {
  readonly below: number
  readonly ignored?: number
}

/** One entry point of a program. Engines run only the nodes that its fetches need. */
export interface ProgramFunction {
  readonly feeds: Readonly<Record<string, Tensor>>
  readonly fetches: Readonly<Record<string, Tensor>>
  /** Feeds that this function would take, and has no use for: `seed` where nothing drops out. Accepted, and left alone. */
  readonly idle: ReadonlySet<string>
  /** Values that feeds are held to: outside of them engines fail, or give nonsense in silence. */
  readonly bounds: Readonly<Record<string, Bounds>>
  /** The largest size of symbols that have one. */
  readonly limits: Readonly<Record<string, number>>
  /** What the size of a symbol must be a multiple of, for symbols that are divided. */
  readonly multiples: Readonly<Record<string, number>>
  /** Turns what the caller knows (learning rate, step) into what the graph is fed; the engine calls it. */
  readonly prepare?: (feeds: Feeds) => Feeds
}

/** Functions over one set of variables. Names of variables are those of the model's files, and `exp_avg/NAME`, ... */
export interface Program {
  readonly graph: Graph
  readonly functions: Readonly<Record<string, ProgramFunction>>
  /** For each variable, how it is written from outside: a placeholder, and what to fetch so that it is stored. */
  readonly writes: ReadonlyMap<string, { readonly feed: Tensor; readonly done: Tensor }>
  /** For each variable, its value. */
  readonly reads: ReadonlyMap<string, Tensor>
}
