import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { commit, type Repositories, type StandInHub, standInHub } from "../testing/hub.ts"
import type { Progress } from "./Download.ts"
import { locate } from "./Locate.ts"

const rows = Buffer.from(`text,label\n${"a row,1\n".repeat(5000)}`)
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const weights = Buffer.alloc(300_000, "weights")

let folder: string
let hub: StandInHub
let repositories: Repositories
let progress: Array<Progress>
let env: Record<string, string>
let suits: (folder: string) => Promise<boolean>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hone-hub-"))
  repositories = {}
  progress = []
  suits = async () => true
  hub = await standInHub(repositories)
  env = { HONE_CACHE: folder, HF_ENDPOINT: hub.origin }
})
afterEach(async () => {
  await hub.close()
  rmSync(folder, { recursive: true, force: true })
})

const fetching = () => ({
  env,
  signal: new AbortController().signal,
  onProgress: (heard: Progress) => void progress.push(heard)
})
const rowsAt = (spec: string) => locate(spec, { folder, ownFolder: folder }, fetching())
const modelAt = (spec: string) => locate(spec, { folder, ownFolder: folder, suits }, fetching())
const problem = (fetched: Promise<string>) =>
  fetched.then(
    () => undefined,
    (error: Error & { hint: string }) => `${error.message}\n${error.hint}`
  )

describe("rows from hf:", () => {
  it("are pinned to the commit that the revision had, and read from the cache without a connection", async () => {
    repositories["datasets/org/name"] = { files: { "data/train.csv": rows } }
    const path = await rowsAt("hf:org/name/data/train.csv")
    expect(path).toBe(join(folder, "hf/datasets/org/name", commit, "data/train.csv"))
    expect(readFileSync(path)).toEqual(rows)
    expect(hub.requests).toEqual([
      "HEAD /datasets/org/name/resolve/main/data/train.csv",
      "GET /datasets/org/name/resolve/main/data/train.csv"
    ])
    await hub.close()
    expect(await rowsAt("hf:org/name@main/data/train.csv")).toBe(path)
    expect(await rowsAt(`hf:org/name@${commit}/data/train.csv`)).toBe(path)
    expect(hub.requests.length).toBe(2)
    expect(await problem(rowsAt("hf:org/name/data/other.csv"))).toMatch(/is not in the cache, and .* cannot be reached/)
  })

  it("may be a pattern, or the one data file where none is named", async () => {
    const files = { "README.md": Buffer.from("read me"), "data/a.csv": rows, "data/b.csv": Buffer.from("text,label\n") }
    repositories["datasets/org/name"] = { files }
    expect(await rowsAt("hf:org/name@v2/data/*.csv")).toBe(join(folder, "hf/datasets/org/name", commit, "data/*.csv"))
    expect(readFileSync(join(folder, "hf/datasets/org/name", commit, "data/b.csv"), "utf8")).toBe("text,label\n")
    expect(await problem(rowsAt("hf:org/name@v2"))).toMatch(/2 files of data\nwrite one of: data\/a.csv, data\/b.csv/)
    expect(await problem(rowsAt("hf:org/name@v2/x*"))).toMatch(/no file of the repository matches/)
    expect(await problem(rowsAt("hf:org/name@v2/../x"))).toMatch(/leads out/)
    for (const out of ["hf:../name/x.csv", "hf:org/../x.csv", "hf:org/name@../x.csv"])
      expect(await problem(rowsAt(out))).toMatch(/names nothing on a hub/)
    repositories["datasets/org/odd"] = { files: { "../../../out.csv": rows } }
    expect(await problem(rowsAt("hf:org/odd/**/*.csv"))).toMatch(/names that no repository has/)
    expect(await problem(rowsAt("hf:org/name@v2/data/c.csv"))).toMatch(
      /no file data\/c.csv .*\ndid you mean `data\/a.csv`/
    )
  })
})

describe("a model from hf:", () => {
  const tokenizer = { "tokenizer.json": json({}), "tokenizer_config.json": json({}), "vocab.txt": Buffer.from("a\n") }
  const whole = { "config.json": json({ model_type: "bert" }), ...tokenizer, "model.safetensors": weights }
  const others = {
    ".gitattributes": Buffer.from(""),
    "README.md": Buffer.from(""),
    "pytorch_model.bin": Buffer.from(""),
    "onnx/model.onnx": Buffer.from("")
  }

  it("is its config, tokenizer and safetensors, fetched once and then there without a connection", async () => {
    repositories["models/org/name"] = { files: { ...others, ...whole } }
    const path = await modelAt("hf:org/name")
    expect(path).toBe(join(folder, "hf/models/org/name", commit))
    expect(readdirSync(path).sort()).toEqual(Object.keys(whole).sort())
    expect(readFileSync(join(path, "model.safetensors"))).toEqual(weights)
    expect(progress.at(-1)).toEqual({
      spec: "hf:org/name: model.safetensors",
      bytes: weights.length,
      total: weights.length
    })
    await hub.close()
    expect(await modelAt("hf:org/name@main")).toBe(path)
    expect(await problem(modelAt("hf:org/other"))).toMatch(
      /is not in the cache, and .* cannot be reached .*\nrun once with a connection/
    )
  })

  it("may lie in a folder, and its weights in shards, of which a broken one is taken up where it broke", async () => {
    const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" } }
    repositories["models/org/name"] = {
      files: {
        "small/config.json": json({}),
        "small/tokenizer.json": json({}),
        "small/model.safetensors.index.json": json(index),
        "small/model-00001-of-00002.safetensors": weights,
        "small/model-00002-of-00002.safetensors": rows,
        "large/config.json": json({})
      }
    }
    hub.breakAfter = 100_000
    const path = await modelAt("hf:org/name@v2/small")
    expect(path).toBe(join(folder, "hf/models/org/name", commit, "small"))
    expect(readFileSync(join(path, "model-00001-of-00002.safetensors"))).toEqual(weights)
    expect(readFileSync(join(path, "model-00002-of-00002.safetensors"))).toEqual(rows)
    expect(hub.requests.filter((request) => request.includes("bytes=")).at(-1)).toMatch(/bytes=100000-$/)
    expect(await problem(modelAt("hf:org/name"))).toMatch(/no config.json\nit has one in: large, small/)
    delete repositories["models/org/name"].files["small/model-00002-of-00002.safetensors"]
    rmSync(folder, { recursive: true })
    expect(await problem(modelAt("hf:org/name/small"))).toMatch(
      /names model-00002-of-00002.*, which the repository lacks/
    )
  })

  it("that does not suit is told by its config, before its weights are fetched", async () => {
    repositories["models/org/name"] = { files: whole }
    suits = async (path) => !readFileSync(join(path, "config.json"), "utf8").includes("bert")
    expect(readdirSync(await modelAt("hf:org/name"))).not.toContain("model.safetensors")
  })

  it("keeps its name when it has moved", async () => {
    repositories["models/org/name"] = { files: whole }
    repositories["models/old/name"] = { files: {}, movedTo: "org/name" }
    expect(readdirSync(await modelAt("hf:old/name"))).toContain("model.safetensors")
  })

  it("that cannot be had says why: misspelt or private, gated, no such revision, no safetensors, other bytes", async () => {
    repositories["models/org/gated"] = { files: whole, isGated: true }
    repositories["models/org/name"] = { files: whole, damaged: ["model.safetensors"] }
    repositories["models/org/pickled"] = { files: { "config.json": json({}), ...others } }
    const said = (spec: string) => problem(modelAt(spec))
    expect(await said("hf:org/nmae")).toMatch(
      /there is no model org\/nmae, or it is not for everyone.*\n.*set HF_TOKEN/
    )
    expect(await said("hf:org/gated")).toMatch(
      /is gated.*answers 403\naccept its conditions at .*\/org\/gated, and set/
    )
    expect(await said("hf:org/name@v3")).toMatch(/org\/name has no revision v3 .*\nwrite a branch, a tag or a commit/)
    expect(await said("hf:org/pickled")).toMatch(/no model.safetensors, only pytorch_model.bin\npickled weights/)
    expect(await said("hf:org/name")).toMatch(/model.safetensors` has the SHA-256 [0-9a-f]{64}, not 111/)
    expect(await said("hf:bert-base-uncased")).toMatch(/names nothing on a hub\nwrite hf:org\/name/)
    env["HF_TOKEN"] = "let-me-in"
    expect(readdirSync(await modelAt("hf:org/gated"))).toContain("config.json")
  })
})
