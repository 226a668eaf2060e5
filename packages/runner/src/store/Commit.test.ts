import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openAttempt } from "./Attempts.ts"
import type { Finished } from "./Commit.ts"
import { Commits } from "./Commit.ts"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, storeFolder } from "./Folder.ts"
import { readRecord } from "./Records.ts"

let folder: StoreFolder
let commits: Commits
beforeEach(() => {
  folder = storeFolder(mkdtempSync(join(tmpdir(), "hone-commit-")))
  commits = new Commits(folder)
})
afterEach(() => rmSync(folder.home, { recursive: true }))

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

const outputOf = (name: string, text: string) => {
  const digests = { blob: sha256(text), content: sha256(`content ${text}`) }
  return { file: `${name}.arrow`, ...digests, bytes: text.length, facts: {}, views: {}, links: [] }
}

/** A finished attempt with a file for each text. */
const finished = (key: string, texts: Readonly<Record<string, string>>, as: Finished["as"] = "record"): Finished => {
  const attempt = openAttempt(folder)
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(attempt, `${name}.arrow`), text)
  const record = {
    version: 1,
    key,
    preimage: { step: { kind: "split", version: 1, implementation: "" }, params: { key }, inputs: {} },
    outputs: Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, outputOf(name, text)]))
  } as unknown as ActionRecord
  return { attempt, record, as }
}

const textOf = (text: string) => readFileSync(blobPath(folder, sha256(text)), "utf8")

describe("results that are committed together", () => {
  it("are all there, with what several of them have in common once, and their attempts are empty", async () => {
    const ones = ["a", "b", "c"].map((key) => finished(key, { own: `own of ${key}`, shared: "the same" }))
    const ends = await Promise.all(ones.map((one) => commits.commit(one)))
    expect(ends.map(({ how }) => how)).toEqual(["created", "created", "created"])
    for (const { record } of ones) expect(readRecord(folder, record.key)).toEqual(record)
    expect(["own of a", "own of b", "own of c", "the same"].map(textOf)).toHaveLength(4)
    expect(statSync(blobPath(folder, sha256("the same"))).mode & 0o777).toBe(0o444)
    expect(ones.flatMap(({ attempt }) => readdirSync(attempt))).toEqual([])
    expect(readdirSync(folder.ac).sort()).toEqual(["a.json", "b.json", "c.json"])
  })

  it("fail each by itself: one whose file is gone gets no record, the others do", async () => {
    const ones = ["a", "b", "c"].map((key) => finished(key, { own: `own of ${key}` }))
    rmSync(join(ones[1]!.attempt, "own.arrow"))
    const ends = await Promise.allSettled(ones.map((one) => commits.commit(one)))
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"])
    expect(readdirSync(folder.ac).sort()).toEqual(["a.json", "c.json"])
  })

  it("put back a file that was set aside since this process kept it", async () => {
    await commits.commit(finished("a", { own: "kept" }))
    rmSync(blobPath(folder, sha256("kept")), { force: true })
    await commits.commit(finished("b", { own: "kept" }))
    expect(textOf("kept")).toBe("kept")
  })

  it("leave the first result of a key, and note another one beside it", async () => {
    const [first, second] = [finished("a", { own: "first" }), finished("a", { own: "second" })]
    const ends = [await commits.commit(first), await commits.commit(second)]
    expect(ends.map(({ how }) => how)).toEqual(["created", "drifted"])
    expect(readRecord(folder, "a")).toEqual(first.record)
    expect(readdirSync(folder.drift)).toHaveLength(1)
  })

  it("get no record where they belong to their run alone", async () => {
    await commits.commit(finished("a", { own: "of one run" }, "alone"))
    expect(textOf("of one run")).toBe("of one run")
    expect(existsSync(folder.ac)).toBe(false)
  })
})
