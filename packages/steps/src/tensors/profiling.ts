import { writeFileSync } from "node:fs"
import type { Session } from "@hone/nn"
import type { Trace } from "@hone/nn/engines/trace"
import { chromeTrace } from "@hone/nn/profile/chromeTrace"
import { profileOf, renderProfile } from "@hone/nn/profile/summary"

/** The runs of each function that are traced, counted from 1: the first one also prepares, and what is traced costs some memory. */
const FIRST_TRACED = 2
const LAST_TRACED = 4

/** What the functions of a stage's programs took: the last traced run of each. */
export interface Profiler {
  /** The same session, whose runs are watched. */
  readonly watch: (session: Session) => Session
  /** Writes PREFIX.txt, PREFIX.json and PREFIX.trace.json; nothing where no function ran twice. */
  readonly write: () => void
}

export const profiler = (prefix: string): Profiler => {
  const traces = new Map<string, Trace>()
  const counts = new Map<string, number>()
  const watch = (session: Session): Session => ({
    write: (values) => session.write(values),
    read: (names) => session.read(names),
    close: () => session.close(),
    run: async (name, feeds) => {
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      if (session.traced === undefined || count < FIRST_TRACED || count > LAST_TRACED) return session.run(name, feeds)
      const { trace, values } = await session.traced(name, feeds)
      traces.set(name, trace)
      return values
    }
  })
  const write = () => {
    if (traces.size === 0) return
    const profiles = [...traces].map(([name, trace]) => profileOf(name, trace))
    writeFileSync(`${prefix}.txt`, profiles.map(renderProfile).join("\n"))
    writeFileSync(`${prefix}.json`, `${JSON.stringify(profiles, null, 2)}\n`)
    writeFileSync(`${prefix}.trace.json`, chromeTrace(traces))
  }
  return { watch, write }
}
