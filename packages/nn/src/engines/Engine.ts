import { bindDim, type Sizes } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"
import type { Feed, Feeds, Program, ProgramFunction, Values } from "../graph/Program.ts"
import type { Trace } from "./trace.ts"

export type EngineName = "session" | "capi" | "wasm" | "webgpu" | "cpu"

/** What two results must share to be called the same computation; part of every cache key of a tensor step. */
export interface Numerics {
  readonly class: "tensorflow-cpu" | "tensorflow-cuda" | "wasm" | "webgpu" | "cpu"
  readonly version: string
  readonly dtype: "float32"
  /** On CUDA alone: whether matrix products round their operands to TF32, as they do from Ampere on unless told not to. */
  readonly tf32?: boolean
}

export interface Engine {
  readonly name: EngineName
  readonly numerics: Numerics
  /** Loads a program. Its variables have no values yet: `write` them, or run a function that does. */
  readonly open: (program: Program) => Promise<Session>
}

/** Values of variables by name. Of what is made as it is asked for, an engine holds one at a time beside its own. */
export type VariableValues =
  | Iterable<readonly [name: string, values: Float32Array]>
  | AsyncIterable<readonly [name: string, values: Float32Array]>

/** A program with its variables. An error in `run` leaves native engines unusable: end the process. */
export interface Session {
  /** Sets variables. Throws UnknownName, or BadFeed when the number of elements is another. */
  readonly write: (values: VariableValues) => Promise<void>
  /** Runs one function. The arrays that come back are the caller's. */
  readonly run: (name: string, feeds: Feeds) => Promise<Record<string, Values>>
  /** Runs one function, and tells what each operation took. Left out where the engine cannot tell: `session`. */
  readonly traced?: (name: string, feeds: Feeds) => Promise<Traced>
  /** Values of variables, by name, in the shapes and layout of the model's files. */
  readonly read: (names: Iterable<string>) => Promise<Map<string, Float32Array>>
  readonly close: () => Promise<void>
}

export interface Traced {
  readonly values: Record<string, Values>
  readonly trace: Trace
}

/** An engine that cannot be had on this machine, and why. */
export class EngineUnavailable extends Error {
  override readonly name = "EngineUnavailable"
  readonly engine: EngineName
  readonly reason: string
  /** What its user can do about it, where that is not the same for all. */
  readonly mend: string | undefined
  constructor(engine: EngineName, reason: string, options?: ErrorOptions & { readonly mend?: string }) {
    super(`the ${engine} engine cannot be used: ${reason}`, options)
    this.engine = engine
    this.reason = reason
    this.mend = options?.mend
  }
}

/** As TensorFlow, V8 and tfjs say that there is no memory left. */
const OUT_OF_MEMORY =
  /\bOOM\b|RESOURCE_EXHAUSTED|out of memory|allocation failed|Invalid typed array length|memory access out of bounds/i

/** The engine failed while it ran a function: out of memory, or a fault of ours. */
export class EngineFailure extends Error {
  override readonly name = "EngineFailure"
  readonly engine: EngineName
  readonly operation: string
  /** Whether it asked for more memory than there is: fewer or shorter rows need less. */
  readonly outOfMemory: boolean
  constructor(engine: EngineName, operation: string, detail: string, options?: ErrorOptions) {
    super(`${engine} failed in ${operation}: ${detail}`, options)
    this.engine = engine
    this.operation = operation
    this.outOfMemory = OUT_OF_MEMORY.test(detail)
  }
}

/** A function, feed or variable that the program does not have. */
export class UnknownName extends Error {
  override readonly name = "UnknownName"
  readonly kind: "function" | "feed" | "variable"
  readonly given: string
  readonly known: ReadonlyArray<string>
  constructor(kind: "function" | "feed" | "variable", given: string, known: ReadonlyArray<string>) {
    const some =
      known.length > 12 ? `${known.slice(0, 12).join(", ")}, and ${known.length - 12} more` : known.join(", ")
    super(`the program has no ${kind} "${given}"; it has ${some}`)
    this.kind = kind
    this.given = given
    this.known = known
  }
}

/** A feed that is missing, or of another dtype or shape than the program's. */
export class BadFeed extends Error {
  override readonly name = "BadFeed"
  readonly feed: string
  constructor(feed: string, detail: string) {
    super(`feed "${feed}" ${detail}`)
    this.feed = feed
  }
}

/** A feed made ready: values of the placeholder's dtype, and a shape of numbers. */
export interface Bound {
  readonly tensor: Tensor
  readonly data: Values
  readonly shape: ReadonlyArray<number>
}

export function functionOf(program: Program, name: string): ProgramFunction {
  const found = program.functions[name]
  if (found === undefined) throw new UnknownName("function", name, Object.keys(program.functions))
  return found
}

function bindFeed(name: string, tensor: Tensor, feed: Feed, sizes: Record<string, number>): Bound {
  const shape = typeof feed === "number" ? [] : "shape" in feed ? feed.shape : [feed.length]
  const float = tensor.dtype === "float32"
  const data =
    typeof feed === "number"
      ? float
        ? Float32Array.of(feed)
        : Int32Array.of(feed)
      : "shape" in feed
        ? feed.data
        : feed
  if (data instanceof Float32Array !== float) throw new BadFeed(name, `must be ${tensor.dtype}`)
  if (shape.length !== tensor.shape.length) {
    throw new BadFeed(name, `has shape [${shape.join(", ")}], and must have [${tensor.shape.join(", ")}]`)
  }
  tensor.shape.forEach((dim, axis) => {
    const got = shape[axis]!
    if (typeof dim === "string" && sizes[dim] === undefined) sizes[dim] = got
    else if (bindDim(dim, sizes) !== got)
      throw new BadFeed(name, `has ${got} along axis ${axis}, and must have ${dim} = ${bindDim(dim, sizes)}`)
  })
  const count = shape.reduce((a, b) => a * b, 1)
  if (count === 0) throw new BadFeed(name, "is empty")
  if (data.length !== count) throw new BadFeed(name, `holds ${data.length} values, and its shape says ${count}`)
  return { tensor, data, shape }
}

/** Sizes and values outside of what the program can compute with. */
function checkBounds(fn: ProgramFunction, bound: ReadonlyMap<string, Bound>, sizes: Sizes): void {
  const feedWith = (symbol: string) => [...bound].find(([, { tensor }]) => tensor.shape.includes(symbol))![0]
  for (const [symbol, most] of Object.entries(fn.limits)) {
    if ((sizes[symbol] ?? 0) <= most) continue
    throw new BadFeed(feedWith(symbol), `has ${symbol} ${sizes[symbol]}, and may have at most ${most}`)
  }
  for (const [symbol, of] of Object.entries(fn.multiples)) {
    if ((sizes[symbol] ?? 0) % of === 0) continue
    throw new BadFeed(feedWith(symbol), `has ${symbol} ${sizes[symbol]}, which must be a multiple of ${of}`)
  }
  for (const [name, { below, ignored }] of Object.entries(fn.bounds)) {
    const found = bound.get(name)?.data.findIndex((value) => !(value >= 0 && value < below) && value !== ignored) ?? -1
    if (found >= 0)
      throw new BadFeed(name, `holds ${bound.get(name)!.data[found]}, and its values must be below ${below}`)
  }
}

/**
 * Checks feeds against a function and gives them the sizes of its symbols, so that no engine meets a shape that does not fit.
 * What the function does not know is an error too: a misspelt feed never passes in silence.
 */
export function bindFeeds(
  fn: ProgramFunction,
  given: Feeds
): { readonly bound: ReadonlyArray<Bound>; readonly sizes: Sizes } {
  const feeds = fn.prepare === undefined ? given : fn.prepare(given)
  const sizes: Record<string, number> = {}
  for (const name of Object.keys(feeds)) {
    if (!(name in fn.feeds) && !fn.idle.has(name))
      throw new UnknownName("feed", name, [...Object.keys(fn.feeds), ...fn.idle])
  }
  const bound = new Map(
    Object.entries(fn.feeds).map(([name, tensor]) => {
      const feed = feeds[name]
      if (feed === undefined) throw new BadFeed(name, "is missing")
      return [name, bindFeed(name, tensor, feed, sizes)] as const
    })
  )
  checkBounds(fn, bound, sizes)
  return { bound: [...bound.values()], sizes }
}

/** The entry of a variable, and a check that as many values were given as it has elements. */
export function writeOf(program: Program, name: string, values: Float32Array) {
  const entry = program.writes.get(name)
  if (entry === undefined) throw new UnknownName("variable", name, [...program.writes.keys()])
  const shape = entry.feed.shape as ReadonlyArray<number>
  const count = shape.reduce((a, b) => a * b, 1)
  if (count !== values.length) throw new BadFeed(name, `holds ${values.length} values, and the variable ${count}`)
  return { ...entry, shape }
}

export function readOf(program: Program, name: string): Tensor {
  const tensor = program.reads.get(name)
  if (tensor === undefined) throw new UnknownName("variable", name, [...program.reads.keys()])
  return tensor
}
