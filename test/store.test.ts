import { spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))

const pipeline = `name: small
steps:
  reviews: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: reviews }, with: { test: 0.5, stratify_by: label } }
`
const rows = (n: number) =>
  ["text,label", ...Array.from({ length: n }, (_, i) => `"row number ${i}",${i % 2 === 0 ? "a" : "b"}`)].join("\n")

let place: Place
beforeEach(() => {
  place = makePlace()
  place.write("r.csv", rows(40))
  place.write("small.yaml", pipeline)
})
afterEach(() => place.remove())

const blobs = () =>
  readdirSync(join(place.folder, ".hone/cas"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

const recordOf = (kind: string) => {
  const ac = join(place.folder, ".hone/ac")
  for (const name of readdirSync(ac)) {
    const path = join(ac, name)
    const { record } = JSON.parse(readFileSync(path, "utf8")) as {
      record: { key: string; preimage: { step: { kind: string } }; outputs: Record<string, { blob: string }> }
    }
    if (record.preimage.step.kind === kind) return { path, record }
  }
  throw new Error(`no record of ${kind}`)
}

const pathOf = (blob: string) => join(place.folder, ".hone/cas", blob.slice(0, 2), blob)

const overwrite = (path: string, change: (bytes: Buffer) => Buffer) => {
  chmodSync(path, 0o644)
  writeFileSync(path, change(readFileSync(path)))
}

const flipped = (bytes: Buffer) => {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1]! ^= 1
  return copy
}

describe("a damaged store", () => {
  it("is never served: a flipped bit is found on reading, what made it runs again, and it is told once", async () => {
    await place.run("small.yaml")
    const { blob } = recordOf("ingest").record.outputs["rows"]!
    overwrite(pathOf(blob), flipped)
    const { code, events, outcomes } = await place.run("small.yaml", "--set", "parts.test=0.25")
    expect(code).toBe(0)
    expect(outcomes).toEqual({ reviews: "ran", parts: "ran" })
    const warnings = events.filter((event) => event.event === "warning").map((event) => event.message)
    expect(warnings.filter((message) => message.includes(blob))).toHaveLength(1)
    expect(events.some((event) => event.event === "failure")).toBe(false)
    expect((await place.hone("verify")).code).toBe(0)
  })

  it("a file that is cut, emptied, gone, or another step's is made again", async () => {
    for (const damage of [
      (path: string) => (chmodSync(path, 0o644), truncateSync(path, 100)),
      (path: string) => (chmodSync(path, 0o644), truncateSync(path, 0)),
      (path: string) => overwrite(path, () => readFileSync(pathOf(recordOf("split").record.outputs["test"]!.blob)))
    ]) {
      await place.run("small.yaml")
      damage(pathOf(recordOf("ingest").record.outputs["rows"]!.blob))
      const { code, outcomes } = await place.run("small.yaml", "--set", `seed=${Math.floor(Math.random() * 1e9)}`)
      expect([code, outcomes["parts"]]).toEqual([0, "ran"])
      expect((await place.hone("verify")).code).toBe(0)
    }
  })

  it("a record that was edited is no hit, and verify names it", async () => {
    await place.run("small.yaml")
    const { path } = recordOf("split")
    writeFileSync(path, readFileSync(path, "utf8").replace('"rows_in":40', '"rows_in":41'))
    const verified = await place.hone("verify")
    expect([verified.code, verified.stdout.includes(path)]).toEqual([1, true])
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "hit", parts: "ran" })
    expect((await place.hone("verify")).code).toBe(0)
  })

  it("show refuses a damaged result in words", async () => {
    await place.run("small.yaml")
    overwrite(pathOf(recordOf("split").record.outputs["train"]!.blob), flipped)
    const { code, stderr } = await place.hone("show", "small.yaml", "parts")
    expect(code).toBe(1)
    expect(stderr).toContain("not those that were written")
  })
})

describe("two processes on one store", () => {
  const both = async () => {
    const [a, b] = await Promise.all([place.run("small.yaml"), place.run("small.yaml")])
    return [a, b] as const
  }

  it("make each result once", async () => {
    place.write("r.csv", rows(60_000))
    const [a, b] = await both()
    expect([a.code, b.code]).toEqual([0, 0])
    const started = [...a.stages, ...b.stages].filter((stage) => stage === "reviews/ingest")
    expect(started).toHaveLength(1)
    expect(existsSync(join(place.folder, ".hone/drift"))).toBe(false)
    expect(readdirSync(join(place.folder, ".hone/leases"))).toEqual([])
  })

  it("a holder that is killed is replaced", async () => {
    place.write("r.csv", rows(200_000))
    const first = spawn(launcher, ["run", "small.yaml", "--json"], {
      cwd: place.folder,
      stdio: ["ignore", "pipe", "pipe"]
    })
    await new Promise<void>((resolve) =>
      first.stdout.on("data", (text: Buffer) => text.includes('"stage"') && resolve())
    )
    const waiting = place.run("small.yaml")
    await new Promise((resolve) => setTimeout(resolve, 300))
    first.kill("SIGKILL")
    const { code, outcomes } = await waiting
    expect([code, outcomes["reviews"]]).toEqual([0, "ran"])
  })
})

describe("gc", () => {
  it("frees what no file used in its last run, and nothing else", async () => {
    await place.run("small.yaml", "--set", "parts.test=0.25")
    const old = recordOf("split")
    await place.run("small.yaml")
    // Results younger than ten minutes stay whatever they are.
    expect((await place.hone("gc", "--yes")).stdout).toContain("nothing to free")
    const aged = JSON.parse(readFileSync(old.path, "utf8")) as { record: { finished_at: string } }
    aged.record.finished_at = "2020-01-01T00:00:00.000Z"
    const { createHash } = await import("node:crypto")
    const checksum = createHash("sha256").update(JSON.stringify(aged.record)).digest("hex")
    writeFileSync(old.path, `${JSON.stringify({ checksum, record: aged.record })}\n`)
    const before = blobs().length
    const dry = await place.hone("gc")
    expect(dry.stdout).toContain("nothing was deleted")
    expect(blobs()).toHaveLength(before)
    expect((await place.hone("gc", "--yes")).stdout).toContain("freed")
    expect(existsSync(old.path)).toBe(false)
    expect(readdirSync(join(place.folder, ".hone/shelves/split"))).toHaveLength(1)
    expect((await place.run("small.yaml")).stages).toEqual([])
    expect((await place.run("small.yaml", "--set", "parts.test=0.25")).outcomes).toEqual({
      reviews: "hit",
      parts: "ran"
    })
  })
})

describe("what happens while a run is under way", () => {
  it("an edit of the pipeline changes nothing in it, and the next plan sees it", async () => {
    place.write("r.csv", rows(200_000))
    const running = place.run("small.yaml")
    await new Promise((resolve) => setTimeout(resolve, 600))
    place.write("small.yaml", pipeline.replace("test: 0.5", "test: 0.25"))
    const { code } = await running
    expect(code).toBe(0)
    const { record } = recordOf("split") as unknown as { record: { preimage: { params: { test: number } } } }
    expect(record.preimage.params.test).toBe(0.5)
    const plan = await place.hone("plan", "small.yaml")
    expect(plan.stdout).toContain("test: 0.5 -> 0.25")
  })

  it("a touched source is read again only to find that it is the same", async () => {
    await place.run("small.yaml")
    utimesSync(join(place.folder, "r.csv"), new Date(), new Date())
    expect((await place.run("small.yaml")).stages).toEqual([])
  })
})

describe("the shelves", () => {
  it("are a view: without them a plan says maybe as before", async () => {
    await place.run("small.yaml")
    const shelves = join(place.folder, ".hone/shelves")
    place.write("r.csv", `${rows(40)}\n`)
    const verdicts = async () => {
      const { stdout } = await place.hone("plan", "small.yaml", "--json")
      return (JSON.parse(stdout) as { steps: Array<{ verdict: string }> }).steps.map(({ verdict }) => verdict)
    }
    expect(await verdicts()).toEqual(["run", "maybe"])
    rmSync(shelves, { recursive: true })
    expect(await verdicts()).toEqual(["run", "maybe"])
    expect(readdirSync(shelves).sort()).toEqual(["ingest", "split"])
  })
})

describe("a source that changes underneath", () => {
  it("gives a result for this run alone, a warning that names it, and nothing under its key", async () => {
    place.write("r.csv", rows(300_000))
    const child = spawn(launcher, ["run", "small.yaml", "--json"], {
      cwd: place.folder,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      // The plan is made: the source is edited before the worker opens it.
      if (text === "") place.write("r.csv", rows(100))
      text += chunk
    })
    const code = await new Promise((resolve) => child.on("exit", resolve))
    expect(code).toBe(0)
    expect(text).toContain("r.csv changed after the run had started")
    const ac = readdirSync(join(place.folder, ".hone/ac"))
    expect(ac).toHaveLength(1) // the split hangs on content, and is cached as ever
    const again = await place.run("small.yaml")
    expect(again.outcomes).toEqual({ reviews: "ran", parts: "cut_off" })
    const shown = JSON.parse((await place.hone("show", "small.yaml", "reviews", "--json")).stdout) as {
      counts: { rows_in: number }
    }
    expect(shown.counts.rows_in).toBe(100)
  })
})

describe("hone rerun --check", () => {
  it("makes cached stages again, and says that they came out the same", async () => {
    await place.run("small.yaml")
    const { code, stdout } = await place.hone("rerun", "small.yaml")
    expect([code, stdout.includes("2 of 2 cached stages made again: all came out the same")]).toEqual([0, true])
    expect((await place.hone("rerun", "small.yaml", "--check", "lots")).code).toBe(2)
  })

  it("shows where a result that is not what its key gives differs", async () => {
    await place.run("small.yaml")
    // Another pipeline's split under this one's key: as if the step had not been deterministic.
    await place.run("small.yaml", "--set", "seed=5")
    const ac = join(place.folder, ".hone/ac")
    type File = { record: { key: string; preimage: { step: { kind: string }; seed?: number }; outputs: object } }
    const splits = readdirSync(ac)
      .map((name) => ({ path: join(ac, name), file: JSON.parse(readFileSync(join(ac, name), "utf8")) as File }))
      .filter(({ file }) => file.record.preimage.step.kind === "split")
    const key = (
      JSON.parse((await place.hone("plan", "small.yaml", "--json")).stdout) as { steps: Array<{ key: string }> }
    ).steps[1]!.key
    const own = splits.find(({ file }) => file.record.key === key)!
    const other = splits.find(({ file }) => file.record.key !== key)!
    const record = { ...own.file.record, outputs: other.file.record.outputs }
    const { createHash } = await import("node:crypto")
    const checksum = createHash("sha256").update(JSON.stringify(record)).digest("hex")
    writeFileSync(own.path, JSON.stringify({ checksum, record }))
    const { code, stdout } = await place.hone("rerun", "small.yaml", "--json")
    const { checked } = JSON.parse(stdout) as {
      checked: Array<{ step: string; verdict: string; difference?: { column: string; row: number } }>
    }
    expect(code).toBe(1)
    expect(checked.map(({ step, verdict }) => [step, verdict])).toEqual([
      ["reviews", "same"],
      ["parts", "drift"]
    ])
    expect(checked[1]!.difference).toMatchObject({ column: "row_id", row: 0 })
  })
})
