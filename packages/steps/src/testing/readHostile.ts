// Reads one file as a plan and a run do, in a process with a worker's flags, and prints what was said and the memory that it took.
import { Effect } from "effect"
import { ingest } from "../ingest/index.ts"
import { peek } from "../ingest/peek.ts"
import { makeBench, runStage } from "./context.ts"

const path = process.argv[2]!
const params = { source: "x", task: "text-classification", columns: { text: "text", label: "label" } }
const bench = makeBench()
const rest = process.memoryUsage().rss
let most = rest
const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 10)
const { format } = await peek(path, { format: "auto", quote: '"', skip_lines: 0, ...params } as never)
const source = { path, format: format!, digest: "0".repeat(64), spec: "file" }
const error = await Effect.runPromise(Effect.flip(runStage(bench, ingest, { with: params, sources: { source } })))
clearInterval(watch)
bench.dispose()
const { system, user } = process.cpuUsage()
const bytes = Math.max(most, process.memoryUsage().rss) - rest
process.stdout.write(JSON.stringify({ message: (error as Error).message, bytes, seconds: (user + system) / 1e6 }))
