// The main job: fine-tunes MiniLM on film reviews. On the wasm engine, which is many times slower, on a sample that a person waits for.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./setup/places.mjs"

const pipeline = "pipelines/sentiment.yaml"
const engineFile = process.env.HONE_ENGINE_FILE ?? join(root, "node_modules", ".cache", "hone", "engine.json")

const chosen = () => {
  if (process.env.HONE_ENGINE) return process.env.HONE_ENGINE
  try {
    return JSON.parse(readFileSync(engineFile, "utf8")).engine
  } catch {
    return "wasm"
  }
}

const small = ["--set", "reviews.sample=320", "--set", "params.max_length=64"]
const isSlow = chosen() === "wasm"
if (isSlow) {
  process.stdout.write(
    "The wasm engine computes here: right, and several times slower than TensorFlow. So this run takes 320 reviews of 64 tokens\n" +
      `instead of 2300 of 128, and its figures say little; \`./hone run ${pipeline}\` takes them all, \`./hone doctor\` says how to get TensorFlow.\n\n`
  )
}
const { status } = spawnSync(join(root, "hone"), ["run", pipeline, ...(isSlow ? small : [])], {
  cwd: root,
  stdio: "inherit"
})
process.exit(status ?? 1)
