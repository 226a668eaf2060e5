import { existsSync, readFileSync, realpathSync } from "node:fs"
import { join } from "node:path"
import type { Call, Faults } from "./faults.ts"
import type { Place } from "./hone.ts"

const preload = new URL("./faults.ts", import.meta.url).href

/** Environment for a command whose changes of a place's store are seen, and met by what is asked. */
export const faulty = (place: Place, asked: Omit<Faults, "store">): Record<string, string> => ({
  NODE_OPTIONS: `--import ${preload}`,
  HONE_TEST_FAULTS: JSON.stringify({ store: join(realpathSync(place.folder), ".hone"), ...asked } satisfies Faults)
})

/** The calls of a trace, in the order in which they were made, over all processes. */
export const readTrace = (path: string): ReadonlyArray<Call> =>
  existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Call)
    : []
