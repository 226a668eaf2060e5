import type { Trace, TracedNode } from "../engines/trace.ts"

/** What the operations of a group took together. Threads work side by side, so that sums may exceed the time of the run. */
export interface ProfileRow {
  readonly name: string
  readonly count: number
  /** Milliseconds on the way forward, optimizer included. */
  readonly forward: number
  /** Milliseconds in derivatives. */
  readonly backward: number
  /** Bytes taken from the allocator; null where the engine does not tell. */
  readonly allocated: number | null
}

/** A traced run in figures. */
export interface Profile {
  /** The program's function. */
  readonly function: string
  /** Milliseconds from the first operation's begin to the last one's end. */
  readonly wall: number
  /** Milliseconds within operations, summed over threads. */
  readonly busy: number
  readonly operations: number
  /** Operations that ran at one time, at most. */
  readonly together: number
  /** The most bytes that the allocator had given out, and the operation that ended then; null where the engine does not tell. */
  readonly peak: { readonly bytes: number; readonly at: string } | null
  /** By the parts of the model: blocks, embeddings, head, optimizer. The longest first, as in the others. */
  readonly scopes: ReadonlyArray<ProfileRow>
  /** By the operations of this package: linear, attention, gelu. */
  readonly layers: ReadonlyArray<ProfileRow>
  /** By what the engine runs: _FusedMatMul, Softmax. */
  readonly kernels: ReadonlyArray<ProfileRow>
}

const GRADIENT = "_gradient"

/** The names between the function's and the node's own. */
const scopesOf = (fn: string, { name }: TracedNode): ReadonlyArray<string> => {
  const parts = name.split("/")
  return parts[0] === fn ? parts.slice(1, -1) : []
}

/** `linear_5_gradient` is an application of linear. */
const plainName = (scope: string): string => scope.replace(GRADIENT, "").replace(/_\d+$/, "")
const isBackward = (scopes: ReadonlyArray<string>): boolean => scopes.some((scope) => scope.endsWith(GRADIENT))

const scopeOf = (scopes: ReadonlyArray<string>): string =>
  scopes[0] === undefined ? "(beside the model)" : plainName(scopes[0])
/** What an operation's own nodes lie in; an engine may have put names of its own below. */
const layerOf = (scopes: ReadonlyArray<string>): string => {
  const found = scopes.find((scope) => scope.endsWith(GRADIENT)) ?? scopes.findLast((scope) => /^[a-z]\w*$/.test(scope))
  return found === undefined ? "(beside the model)" : plainName(found)
}

const addUp = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? null : one + other

function rowsBy(fn: string, trace: Trace, keyOf: (node: TracedNode, scopes: ReadonlyArray<string>) => string) {
  const rows = new Map<string, ProfileRow>()
  for (const node of trace) {
    const scopes = scopesOf(fn, node)
    const name = keyOf(node, scopes)
    const row = rows.get(name) ?? { name, count: 0, forward: 0, backward: 0, allocated: 0 }
    const way = isBackward(scopes) ? "backward" : "forward"
    rows.set(name, {
      ...row,
      count: row.count + 1,
      [way]: row[way] + node.duration / 1000,
      allocated: addUp(row.allocated, node.allocated)
    })
  }
  return [...rows.values()].sort((a, b) => b.forward + b.backward - (a.forward + a.backward))
}

function peakOf(trace: Trace): Profile["peak"] {
  let peak: TracedNode | undefined
  for (const node of trace) if ((node.inUse ?? 0) > (peak?.inUse ?? 0)) peak = node
  return peak === undefined ? null : { bytes: peak.inUse!, at: peak.name }
}

/** Adds a run up by the parts of the model, by our operations and by the engine's. */
export function profileOf(fn: string, trace: Trace): Profile {
  return {
    function: fn,
    wall: trace.reduce((last, { duration, start }) => Math.max(last, start + duration), 0) / 1000,
    busy: trace.reduce((sum, { duration }) => sum + duration, 0) / 1000,
    operations: trace.length,
    together: new Set(trace.map(({ lane }) => lane)).size,
    peak: peakOf(trace),
    scopes: rowsBy(fn, trace, (_, scopes) => scopeOf(scopes)),
    layers: rowsBy(fn, trace, (_, scopes) => layerOf(scopes)),
    kernels: rowsBy(fn, trace, ({ op }) => op)
  }
}

/** Rows that a table shows; what lies behind them is a line of its own. */
const SHOWN = 12

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)

function tableOf(title: string, rows: ReadonlyArray<ProfileRow>, busy: number): Array<string> {
  const line = (name: string, cells: ReadonlyArray<string>) =>
    `${name.padEnd(38)} ${cells.map((cell) => cell.padStart(10)).join("")}`.trimEnd()
  const rest = rows.slice(SHOWN)
  const shown = rows.slice(0, SHOWN)
  if (rest.length > 0) {
    const name = `and ${rest.length} more`
    const sum = (of: (row: ProfileRow) => number) => rest.reduce((total, row) => total + of(row), 0)
    const [forward, backward, count] = [sum((row) => row.forward), sum((row) => row.backward), sum((row) => row.count)]
    const allocated = rest.reduce<number | null>((total, row) => addUp(total, row.allocated), 0)
    shown.push({ name, count, forward, backward, allocated })
  }
  return [
    "",
    line(title, ["forward", "backward", "share", "count", "taken MB"]),
    ...shown.map(({ allocated, backward, count, forward, name }) =>
      line(name, [
        forward.toFixed(1),
        backward.toFixed(1),
        `${((100 * (forward + backward)) / busy).toFixed(1)} %`,
        String(count),
        allocated === null ? "" : megabytes(allocated)
      ])
    )
  ]
}

/** A profile as a text of four parts: one sentence, then milliseconds by scope, by operation and by kernel. */
export function renderProfile(profile: Profile): string {
  const { busy, kernels, layers, operations, peak, scopes, together, wall } = profile
  const top = peak === null ? "" : `; ${megabytes(peak.bytes)} MB at the top, in ${peak.at}`
  return [
    `${profile.function}: ${wall.toFixed(1)} ms, ${operations} operations, up to ${together} at a time (${busy.toFixed(1)} ms within them)${top}`,
    ...tableOf("milliseconds by part", scopes, busy),
    ...tableOf("by operation", layers, busy),
    ...tableOf("by what the engine ran", kernels, busy),
    ""
  ].join("\n")
}
