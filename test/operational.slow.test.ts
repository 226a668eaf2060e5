import { cpSync } from "node:fs"
import { join } from "node:path"
import { paramInfos } from "@hone/core/Params"
import { registry } from "@hone/steps"
import { expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { recordsIn } from "./support/store.ts"
import { tinyJob, writeTinyJob } from "./support/tinyJob.ts"

/** For each operational param, another value of it than the job's own, as a change of the job's text. */
const changes: Readonly<Record<string, readonly [from: string, to: string]>> = {
  "train.log_every": ["epochs: 2", "epochs: 2, log_every: 1"],
  "train.checkpoint_every": ["epochs: 2", "epochs: 2, checkpoint_every: 1"],
  "ingest.source": ["source: rows.csv", "source: [elsewhere/named.csv]"],
  "ingest.format": ["source: rows.csv", "source: rows.csv, format: csv"]
}

/** Those that say what bytes are wanted, and not what is done with them. */
const ofSources = ["ingest.sha256"]

const operational = Object.entries(registry).flatMap(([kind, step]) =>
  paramInfos(step.params)
    .filter(({ role }) => role === "operational")
    .map(({ name }) => `${kind}.${name}`)
)

/** The bytes of every result, by the kind of its stage. */
const blobsIn = (place: Place) =>
  Object.fromEntries(
    recordsIn(place)
      .map(({ record }) => [record.preimage.step.kind, Object.values(record.outputs).map(({ blob }) => blob)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  )

it("changing an operational param changes no byte of any result", async () => {
  expect([...Object.keys(changes), ...ofSources].sort()).toEqual([...operational].sort())
  const results = async (job: string) => {
    const place = makePlace()
    writeTinyJob(place.folder)
    cpSync(join(place.folder, "rows.csv"), join(place.folder, "elsewhere/named.csv"))
    place.write("tiny.yaml", job)
    const { code, events } = await place.run("tiny.yaml")
    expect(code, JSON.stringify(events.filter(({ event }) => event === "failure"))).toBe(0)
    const blobs = blobsIn(place)
    place.remove()
    return blobs
  }
  const plain = await results(tinyJob())
  for (const [param, [from, to]] of Object.entries(changes)) {
    expect(tinyJob(), param).toContain(from)
    expect(await results(tinyJob().replace(from, to)), param).toEqual(plain)
  }
})
