import { fieldsOf, messagesIn, numberIn, textIn } from "../lower/protobufReader.ts"

/** What one operation of a run took. */
export interface TracedNode {
  /** As in the graph: `train/encoder.layer.4/gelu/Erf`. */
  readonly name: string
  /** What ran, which may be several nodes in one: `_FusedMatMul`. */
  readonly op: string
  /** Microseconds since the first operation of the run began. */
  readonly start: number
  /** Microseconds. */
  readonly duration: number
  /** Operations that ran at one time lie in different lanes, counted from 0. */
  readonly lane: number
  /** Bytes that it took from the allocator, its outputs and what it needed in between; null where the engine does not tell. */
  readonly allocated: number | null
  /** Bytes that the allocator had given out as it ended, tensors of less than 256 KiB left out; null where the engine does not tell. */
  readonly inUse: number | null
}

/** A run, operation by operation, in the order in which they began. */
export type Trace = ReadonlyArray<TracedNode>

/** RunOptions: trace_level FULL_TRACE. */
export const fullTrace = Uint8Array.of(8, 3)

const STEP_STATS = 1
const DEV_STATS = 1
const NODE_STATS = 2

/** `name = Op(inputs)`, as TensorFlow labels what it ran; what takes a part in no computation has no operation. */
const opOf = (label: string, name: string): string =>
  /=\s*(\w+)\(/.exec(label)?.[1] ?? (name === "_SOURCE" ? "" : label)

interface Raw extends Omit<TracedNode, "start" | "lane"> {
  readonly began: number
}

/** One NodeExecStats (tensorflow/core/framework/step_stats.proto). */
function nodeOf(bytes: Uint8Array): Raw {
  const fields = fieldsOf(bytes)
  const name = textIn(fields, 1)
  const memory = messagesIn(fields, 6).map((used) => fieldsOf(used))
  return {
    name,
    op: opOf(textIn(fields, 8), name),
    began: numberIn(fields, 2) + numberIn(fields, 3),
    duration: numberIn(fields, 4) - numberIn(fields, 3),
    allocated: memory.reduce((sum, used) => sum + numberIn(used, 2), 0),
    inUse: memory.reduce((most, used) => Math.max(most, numberIn(used, 5)), 0)
  }
}

/** Reads what TensorFlow wrote about a run (RunMetadata, of which step_stats). */
export function traceOf(runMetadata: Uint8Array): Trace {
  const raw = messagesIn(fieldsOf(runMetadata), STEP_STATS)
    .flatMap((stats) => messagesIn(fieldsOf(stats), DEV_STATS))
    .flatMap((device) => messagesIn(fieldsOf(device), NODE_STATS))
    .map(nodeOf)
    .filter(({ op }) => op !== "")
    .sort((a, b) => a.began - b.began)
  const first = raw[0]?.began ?? 0
  // TensorFlow does not say which thread: each takes the first lane that is free.
  const freeFrom: Array<number> = []
  return raw.map(({ began, ...node }) => {
    const free = freeFrom.findIndex((end) => end <= began)
    const lane = free < 0 ? freeFrom.length : free
    freeFrom[lane] = began + node.duration
    return { ...node, start: began - first, lane }
  })
}
