import type { Trace } from "../engines/trace.ts"

/**
 * Traces as a file for chrome://tracing or ui.perfetto.dev: a process for each function, a row for each thread, and the allocator's
 * bytes as a curve where the engine tells them.
 *
 * Source: "Trace Event Format", JSON object format.
 */
export function chromeTrace(traces: ReadonlyMap<string, Trace>): string {
  const events = [...traces].flatMap(([name, trace], pid) => [
    { name: "process_name", ph: "M", pid, args: { name } },
    ...trace.flatMap((node) => [
      {
        name: node.name,
        cat: node.op,
        ph: "X",
        ts: node.start,
        dur: node.duration,
        pid,
        tid: node.lane,
        args: { op: node.op }
      },
      ...((node.inUse ?? 0) > 0
        ? [{ name: "allocated", ph: "C", ts: node.start + node.duration, pid, args: { bytes: node.inUse } }]
        : [])
    ])
  ])
  return JSON.stringify({ displayTimeUnit: "ms", traceEvents: events })
}
