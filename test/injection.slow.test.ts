import { join } from "node:path"
import { storeFolder } from "@hone/runner/store/Folder"
import { verify } from "@hone/runner/store/Verify"
import { beforeAll, describe, expect, it } from "vitest"
import type { Call } from "./support/faults.ts"
import { faulty, readTrace } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { contentsIn, filesIn } from "./support/store.ts"
import { makeTwoSteps } from "./support/twoSteps.ts"

// Every call that changes the store in a run of two steps fails once, as a disk, a quota or a limit would make it fail.

/** What can go wrong with a call. */
const errorsOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  openSync: ["ENOSPC", "EMFILE", "EROFS", "EIO"],
  writeSync: ["ENOSPC", "EIO"],
  writeFileSync: ["ENOSPC", "EIO"],
  fsyncSync: ["EIO", "ENOSPC"],
  mkdirSync: ["ENOSPC", "EROFS", "EIO"],
  mkdtempSync: ["EROFS", "ENOSPC", "EIO"],
  renameSync: ["EXDEV", "EIO", "EROFS", "ENOSPC"],
  linkSync: ["EXDEV", "EROFS", "ENOSPC", "EIO"],
  appendFileSync: ["ENOSPC", "EMFILE", "EIO"],
  unlinkSync: ["EROFS", "EIO"],
  rmSync: ["EIO", "EROFS"],
  chmodSync: ["EROFS", "EIO"],
  utimesSync: ["EROFS", "EIO"]
}

/** A path with what differs from run to run taken out, as a regular expression. */
const shapeOf = (path: string): string =>
  path
    .replace(/[.@+]/gu, "\\$&")
    .replace(/[0-9a-f]{64}/gu, "[0-9a-f]{64}")
    .replace(/^cas\/\w\w/u, String.raw`cas/\w\w`)
    .replace(/(?<=\/)(?:train|validation|test|rows)(?=\\\.)/u, String.raw`\w+`)
    .replace(/\d+\\@\w+(?:\\\.\w+)*?(?=-|\\\.|$)(?:-\w{6})?/gu, "OWNER")
    .replace(/\\\.OWNER\\\.\d+\\\.tmp/gu, "TMP")
    .replace(/\d{8}-\d{6}-\w{4}/gu, "RUN")
    .replaceAll("OWNER", String.raw`\d+@[\w.]+(?:-\w{0,6})?`)
    .replaceAll("TMP", String.raw`\.\d+@[\w.]+\.\d+\.tmp`)
    .replaceAll("RUN", String.raw`\d{8}-\d{6}-\w{4}`)

/**
 * All errors of every call take a quarter of an hour of one processor: `HONE_ALL_FAULTS=3/8` runs the third of eight pieces of them. Without
 * it, one of each kind of call, by turns, has each error with each function.
 */
const piece = ((asked) => {
  if (asked === undefined) return undefined
  const [at = 1, of = 1] = asked.split("/").map(Number)
  return { at, of }
})(process.env["HONE_ALL_FAULTS"])

interface Case {
  readonly who: Call["who"]
  readonly call: string
  readonly path: string
  readonly nth: number
  readonly error: string
}

let reference: Readonly<Record<string, ReadonlyArray<string>>>
let cases: ReadonlyArray<Case>

beforeAll(async () => {
  const place = makeTwoSteps()
  const trace = join(place.folder, "trace")
  Object.assign(place.env, faulty(place, { trace }))
  expect((await place.run("small.yaml")).code).toBe(0)
  reference = contentsIn(place)
  const seen = new Map<string, number>()
  const calls = readTrace(trace).map(({ call, path, who }) => {
    const at = { who, call, path: `^${shapeOf(path)}$` }
    const nth = (seen.get(JSON.stringify(at)) ?? 0) + 1
    seen.set(JSON.stringify(at), nth)
    return { ...at, nth }
  })
  const all = calls.flatMap((at, turn) => {
    const errors = errorsOf[at.call] ?? []
    return errors.map((error, i) => ({ ...at, error, isChosen: i === turn % errors.length && at.nth === 1 }))
  })
  cases =
    piece === undefined ? all.filter(({ isChosen }) => isChosen) : all.filter((_, at) => at % piece.of === piece.at - 1)
  console.log(`${cases.length} of ${all.length} faults`)
  place.remove()
})

const leftovers = (place: Place) => [
  ...["attempts", "leases", "live"].flatMap((name) => filesIn(place, name)),
  ...filesIn(place, ".").filter((path) => path.endsWith(".tmp"))
]

const damage = (place: Place) => verify(storeFolder(place.folder))

/** One fault, and the run after it. Gives what is not as it should be. */
const meets = async ({ error, ...at }: Case): Promise<ReadonlyArray<string>> => {
  const place = makeTwoSteps()
  const wrong: Array<string> = []
  const claim = (is: boolean, what: string) =>
    void (is || wrong.push(`${at.who} ${at.call} ${at.path} ${at.nth} ${error}: ${what}`))
  try {
    Object.assign(place.env, faulty(place, { at, then: error }))
    const first = await place.run("small.yaml")
    for (const name of ["NODE_OPTIONS", "HONE_TEST_FAULTS"]) delete place.env[name]
    const failures = first.events.flatMap((event) => (event.event === "failure" ? [event] : []))
    claim(first.code === 0 || first.code === 1, `exit code ${first.code}`)
    claim((first.code === 1) === failures.length > 0, `exit code ${first.code} with ${failures.length} failures`)
    for (const { code, hint, message } of failures) {
      claim(code !== "defect" && !message.includes("    at "), `a stack: ${message}`)
      claim(message.includes(error) && hint !== "", `no word of it: ${message} / ${hint}`)
    }
    const removes = at.call === "rmSync" || at.call === "unlinkSync"
    if (!removes) claim(leftovers(place).length === 0, `it leaves ${leftovers(place).join(", ")}`)
    claim(damage(place).length === 0, `verify finds ${JSON.stringify(damage(place))}`)
    const kept = Object.keys(contentsIn(place))
    const again = await place.run("small.yaml")
    claim(again.code === 0, `the next run ends with ${again.code}`)
    claim(
      again.stages.length === 2 - kept.length,
      `the next run runs ${again.stages.join()} with ${kept.length} results kept`
    )
    claim(JSON.stringify(contentsIn(place)) === JSON.stringify(reference), "other results than an undisturbed run's")
    // What could not be removed goes with the next run that has something to do.
    if (removes) await place.run("small.yaml", "--set", "parts.test=0.25")
    claim(leftovers(place).length === 0, `the next run leaves ${leftovers(place).join(", ")}`)
  } catch (thrown) {
    claim(false, String(thrown))
  } finally {
    place.remove()
  }
  return wrong
}

describe("a system that refuses a call of the store", () => {
  it("is told in words with the step and a mend, nothing half-made is kept, and the next run goes on", async () => {
    expect(cases.length).toBeGreaterThan(25 / (piece?.of ?? 1))
    const queue = [...cases]
    const wrong: Array<string> = []
    const work = async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) wrong.push(...(await meets(next)))
    }
    await Promise.all([work(), work()])
    expect(wrong).toEqual([])
  })
})
