import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, expect, it } from "vitest"
import { isEngineFresh, setUpEngine } from "../../scripts/setup/engine.mjs"
import { temporaryFolder } from "./temporary.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** An environment with a cache of its own and no program on PATH. */
function bareEnvironment() {
  const folder = temporaryFolder()
  return {
    PATH: join(folder, "empty"),
    HONE_CACHE: join(folder, "cache"),
    HONE_ENGINE_FILE: join(folder, "engine.json")
  }
}

const read = (env: { HONE_ENGINE_FILE: string }) => JSON.parse(readFileSync(env.HONE_ENGINE_FILE, "utf8"))

it("falls back to wasm where there is neither a library nor an installer, and keeps each reason", async () => {
  const env = bareEnvironment()
  await setUpEngine(env)
  const { attempts, engine, numerics } = read(env)
  assert.strictEqual(engine, "wasm")
  assert.strictEqual(numerics.class, "wasm")
  const reasons = Object.fromEntries(attempts.map(({ reason, route }: Record<string, string>) => [route, reason]))
  assert.match(reasons["cache"], /nothing in/)
  assert.strictEqual(reasons["pip"], "no Python with pip on PATH")
  assert.strictEqual(reasons["uv"], "no uv on PATH")
  assert.isTrue(isEngineFresh(env), "the second set-up has nothing to do")
  assert.isFalse(isEngineFresh({ ...env, HONE_ENGINE: "session" }), "another wish is a reason to look again")
})

it("says what was tried when a forced engine cannot be had, and writes no engine file", async () => {
  const env = { ...bareEnvironment(), HONE_ENGINE: "session" }
  await expect(setUpEngine(env)).rejects.toThrow(/HONE_ENGINE=session cannot be had here[^]*pip: no Python with pip/)
  assert.isFalse(existsSync(env.HONE_ENGINE_FILE))
})

it("refuses an engine that does not exist", async () => {
  await expect(setUpEngine({ ...bareEnvironment(), HONE_ENGINE: "sesion" })).rejects.toThrow(
    /write one of session, capi, wasm/
  )
})

it("asked for wasm, looks for nothing", async () => {
  const env = { ...bareEnvironment(), HONE_ENGINE: "wasm" }
  await setUpEngine(env)
  assert.strictEqual(read(env).engine, "wasm")
  assert.isFalse(existsSync(env.HONE_CACHE))
})

it("without a compiler runs the given library through its C API", async ({ skip }) => {
  const own = process.env["HONE_ENGINE_FILE"] ?? join(root, "node_modules/.cache/hone/engine.json")
  const library: string | null = existsSync(own) ? JSON.parse(readFileSync(own, "utf8")).library : null
  const env = { ...bareEnvironment(), HONE_TENSORFLOW: library ?? skip("no TensorFlow library on this machine") }
  await setUpEngine(env)
  const { addon, attempts, engine, numerics, version } = read(env)
  assert.strictEqual(engine, "capi")
  assert.isNull(addon)
  assert.deepStrictEqual(numerics, { class: "tensorflow-cpu", version, dtype: "float32" })
  assert.include(attempts.at(-1), { route: "addon", ok: false, reason: "no C++ compiler on PATH" })
})
