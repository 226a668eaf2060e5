import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { blobPath, storeFolder } from "@hone/runner/store/Folder"
import { isWhole, readRecord } from "@hone/runner/store/Records"
import { blobsOf, recordKeys } from "@hone/runner/store/Scan"
import { expect, it } from "vitest"
import type { Names } from "./support/Disk.ts"
import { Disk } from "./support/Disk.ts"
import { faulty, readTrace } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { makeTwoSteps } from "./support/twoSteps.ts"

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

/** Keys that are hits after a power cut. Each blob behind them has to be what its name says. */
const hitsAfter = (place: Place, disk: Disk, names: Names): ReadonlyArray<string> => {
  const home = mkdtempSync(join(place.folder, "cut-"))
  const folder = storeFolder(home)
  mkdirSync(folder.root)
  disk.cut(names, folder.root)
  const hits = recordKeys(folder).filter((key) => {
    const record = readRecord(folder, key)
    if (record === undefined || !isWhole(folder, record)) return false
    for (const blob of blobsOf(record)) expect(sha256(blobPath(folder, blob))).toBe(blob)
    return true
  })
  rmSync(home, { recursive: true })
  return hits
}

it("a power cut at any instant: what a record names is there, and a step that has ended stays", async () => {
  const place = makeTwoSteps()
  const trace = join(place.folder, "trace")
  Object.assign(place.env, faulty(place, { trace, data: true }))
  expect((await place.run("small.yaml")).code).toBe(0)
  const disk = new Disk()
  /** Keys whose step had ended: the runner gives the lease back. */
  const ended: Array<string> = []
  for (const call of readTrace(trace)) {
    disk.follow(call)
    if (call.call === "rmSync" && call.path.startsWith("leases/")) ended.push(call.path.slice("leases/".length))
    for (const names of ["lost", "kept"] as const)
      expect(hitsAfter(place, disk, names)).toEqual(expect.arrayContaining(ended))
  }
  expect(ended).toHaveLength(2)
  place.remove()
})

it("a power cut after a run that was served what a killed one had named, and not synced, takes none of it", async () => {
  const place = makeTwoSteps()
  const trace = join(place.folder, "trace")
  const run = (asked: object) => {
    Object.assign(place.env, faulty(place, { trace, data: true, ...asked }))
    return place.run("small.yaml")
  }
  // In front of the sync of the folder that has just got the name of the second step's record.
  await expect(run({ at: { call: "fsyncSync", path: "^ac$", nth: 2 }, then: "kill" })).rejects.toThrow("no end event")
  const disk = new Disk()
  for (const call of readTrace(trace).slice(0, -1)) disk.follow(call) // the last one is the sync that did not come about
  expect(hitsAfter(place, disk, "lost")).toHaveLength(1)
  rmSync(trace)
  const { code, stages } = await run({})
  expect([code, stages]).toEqual([0, []])
  for (const call of readTrace(trace)) disk.follow(call)
  expect(hitsAfter(place, disk, "lost")).toHaveLength(2)
  place.remove()
})
