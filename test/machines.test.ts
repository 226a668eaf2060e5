import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { recordsIn } from "./support/store.ts"
import { tinyJob, writeTinyJob } from "./support/tinyJob.ts"
import { pipeline as smallPipeline } from "./support/twoSteps.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))

let places: ReadonlyArray<Place>
beforeEach(() => void (places = [makePlace(), makePlace()]))
afterEach(() => {
  for (const place of places) place.remove()
})

/** What sorts, folds or prints otherwise under another locale or time zone. */
const rows = [
  "text,label",
  ...Array.from(
    { length: 24 },
    (_, row) =>
      `"${["ISIN", "ısı", "Äpfel", "zoo"][row % 4]} 1.234,5 2020-03-29 02:30 ${row}",${["İ", "i", "ä", "z"][row % 4]}`
  )
].join("\n")

/** The job up to where an engine would be asked. */
const job = tinyJob().replace(/^ {2}(tuned|after):.*$/gmu, "")

/** Another user of this machine: 65534 is nobody. */
const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", launcher]

/** Whether this user may run commands as another, and that one may reach this clone. */
const canBeNobody = (): boolean => {
  const { status } = spawnSync(nobody[0]!, [...nobody.slice(1), "steps"])
  if (status !== 0) console.log("skipped: no command of this clone can be run as another user here")
  return status === 0
}

const runAsNobody = (place: Place, ...args: ReadonlyArray<string>) =>
  spawnSync(nobody[0]!, [...nobody.slice(1), ...args], {
    cwd: place.folder,
    env: { ...process.env, NO_COLOR: "1", HOME: "/nonexistent" },
    encoding: "utf8"
  })

/** What each key has, by the bytes of its results. */
const resultsIn = (place: Place) =>
  recordsIn(place).map(({ record }) => [record.key, Object.values(record.outputs).map(({ blob }) => blob)])

/** Runs the job as on a machine with these settings; gives each key with the bytes of its results. */
const runAs = (place: Place, below: string, umask: string, env: Record<string, string>) => {
  const folder = join(place.folder, below)
  mkdirSync(folder, { recursive: true })
  writeTinyJob(folder)
  writeFileSync(join(folder, "rows.csv"), rows)
  writeFileSync(join(folder, "tiny.yaml"), job)
  const { status, stderr } = spawnSync("sh", ["-c", `umask ${umask}; exec "$0" run tiny.yaml`, launcher], {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: "utf8"
  })
  expect([status, stderr]).toEqual([0, ""])
  return resultsIn(place)
}

it("machines with another locale, time zone, umask, path, user and home give the same keys and the same bytes", () => {
  const [here, there] = places
  const first = runAs(here!, ".", "022", { LC_ALL: "C", LANG: "C", TZ: "UTC" })
  const second = runAs(there!, "a folder/mit Ümläuten/日本", "077", {
    LC_ALL: "tr_TR.UTF-8",
    LANG: "tr_TR.UTF-8",
    LANGUAGE: "tr",
    TZ: "Pacific/Chatham",
    USER: "somebody",
    LOGNAME: "somebody",
    HOME: there!.folder,
    HOSTNAME: "elsewhere"
  })
  expect(first).toHaveLength(5)
  expect(second).toEqual(first)
})

it("another user has the same keys and bytes, is served what a store holds, and is told where it cannot be written", () => {
  if (!canBeNobody()) return
  const [theirs, own] = places as [Place, Place]
  for (const { folder, write } of [theirs, own]) {
    write("r.csv", rows)
    write("small.yaml", smallPipeline)
    chmodSync(folder, 0o755)
  }
  expect(spawnSync(launcher, ["run", "small.yaml"], { cwd: theirs.folder }).status).toBe(0)
  chownSync(own.folder, 65534, 65534)
  expect(runAsNobody(own, "run", "small.yaml").status).toBe(0)
  expect(resultsIn(own)).toEqual(resultsIn(theirs))

  const served = runAsNobody(theirs, "run", "small.yaml")
  expect([served.status, served.stdout]).toEqual([0, expect.stringContaining("2 cached")])
  const refused = runAsNobody(theirs, "run", "small.yaml", "--set", "parts.test=0.25")
  expect([refused.status, refused.stderr + refused.stdout]).toEqual([
    1,
    expect.stringMatching(/the store cannot be written: EACCES[^]*this user may not write there: mend the permissions/u)
  ])
  expect(resultsIn(theirs)).toEqual(resultsIn(own))
})

it("the digest of a source is remembered by its stat, unless it changed within the clock's step of when it was read", async () => {
  const place = places[0]!
  place.write("r.csv", "text,label\none,a\ntwo,b\n")
  const ingest =
    "{ uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }"
  place.write("p.yaml", `name: memo\nsteps:\n  rows: ${ingest}\n`)
  const keyOf = async () =>
    (JSON.parse((await place.hone("plan", "p.yaml", "--json")).stdout) as { steps: [{ key: string }] }).steps[0].key
  const right = await keyOf()
  const memo = join(place.folder, ".hone/memo")
  const path = join(memo, readdirSync(memo)[0]!)
  type Entry = { stamp: string; seen_at: number; digest: string }
  const { seal, unseal } = await import("@hone/core/Sealed")
  const rewrite = (change: (entry: Entry) => void) => {
    const entries = unseal<Record<string, Entry>>("memo", readFileSync(path, "utf8"))!
    for (const entry of Object.values(entries)) change(entry)
    writeFileSync(path, seal("memo", entries))
  }
  // Another digest in the memo tells whether the file itself was read.
  const [, changed] = Object.values(unseal<Record<string, Entry>>("memo", readFileSync(path, "utf8"))!)[0]!.stamp.split(
    ":"
  )
  const changedAt = Number(BigInt(changed!) / 1_000_000n)
  rewrite((entry) => Object.assign(entry, { digest: "0".repeat(64), seen_at: changedAt + 500 }))
  expect(await keyOf()).toBe(right)
  rewrite((entry) => Object.assign(entry, { digest: "0".repeat(64), seen_at: changedAt + 60_000 }))
  expect(await keyOf()).not.toBe(right)
  // A memo that was tampered with or torn is none.
  writeFileSync(path, readFileSync(path, "utf8").replace("0000", "1000"))
  expect(await keyOf()).toBe(right)
})
