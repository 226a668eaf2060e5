// Chooses the tensor engine, provides what it needs, and writes the engine file.
import { existsSync, mkdirSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { provideAddon } from "./addon.mjs"
import { libraryName } from "./builds.mjs"
import { runChild } from "./child.mjs"
import { usableCores } from "./cores.mjs"
import { readJson, sweepPartials, unwritableFolder, which, writeJson } from "./files.mjs"
import { findLibrary, wantedBuilds } from "./library.mjs"
import { withLock } from "./lock.mjs"
import { cacheFolder, engineFile, pinnedNode, root } from "./places.mjs"
import { say } from "./say.mjs"

const engines = ["session", "capi", "wasm"]
const formatVersion = 2

/** HONE_ENGINE asks for something that cannot be had; the message lists what was tried. */
class EngineUnavailable extends Error {
  constructor(engine, attempts) {
    const tried = attempts
      .filter(({ ok }) => !ok)
      .map(({ route, reason, mend }) => `\n  ${route}: ${reason}${mend ? ` (${mend})` : ""}`)
    super(`HONE_ENGINE=${engine} cannot be had here.${tried.join("")}`)
    this.name = "EngineUnavailable"
  }
}

/** Whether the engine file answers the present wishes, and what it names is still there. Takes no lock, loads nothing. */
export function isEngineFresh(env = process.env) {
  const known = readJson(engineFile(env))
  if (!known || ![known.library, known.addon].every((place) => place === null || existsSync(place))) return false
  // Whoever asks for wasm alone is not made to wait for more than that.
  if (env.HONE_ENGINE === "wasm") return true
  return known.request === requestOf(env) && canRun(known, env.HONE_ENGINE)
}

/** Whether what was provided can run as `engine`: a library serves capi too, and wasm needs nothing. */
function canRun(chosen, engine) {
  if (engine === "session") return chosen.library !== null && chosen.addon !== null
  return engine === "capi" ? chosen.library !== null : true
}

/** What the choice depends on: wishes, places, and the tools whose coming would make a better engine possible. */
function requestOf(env) {
  const { HONE_TENSORFLOW, HONE_GPU, NVIDIA_TF32_OVERRIDE, CXX } = env
  const tools = ["python3", "python", "uv", "g++", "c++", "clang++"].map((name) => which(name, env) ?? null)
  return JSON.stringify([formatVersion, HONE_TENSORFLOW, HONE_GPU, NVIDIA_TF32_OVERRIDE, CXX, cacheFolder(env), tools])
}

/**
 * Provides the best engine that can be had and writes the engine file. HONE_ENGINE bends the choice for each command, not the file:
 * a run on wasm leaves the next one its TensorFlow.
 */
export async function setUpEngine(env = process.env) {
  const forced = env.HONE_ENGINE || undefined
  if (forced && !engines.includes(forced)) throw new Error(`HONE_ENGINE=${forced}: write one of ${engines.join(", ")}`)
  const cache = cacheFolder(env)
  const wait = () => say("another set-up is providing the tensor engine: waiting for it")
  const chosen = forced === "wasm" ? wasm([asked]) : await withLock(cache, wait, () => provideNative(env, cache))
  // What was chosen for want of asking for more answers no other wish: without a request it is never fresh.
  const request = forced === "wasm" ? {} : { request: requestOf(env) }
  if (forced && !canRun(chosen, forced)) throw new EngineUnavailable(forced, chosen.attempts)
  writeJson(engineFile(env), { ...chosen, threads: usableCores(), ...request })
  report(chosen, forced)
}

const asked = { route: "HONE_ENGINE", ok: true, reason: "wasm is asked for by HONE_ENGINE" }

async function provideNative(env, cache) {
  const attempts = []
  // A cache that cannot be written may still hold all that is needed.
  if (!unwritableFolder(cache)) {
    for (const part of ["tensorflow", "addon"]) {
      mkdirSync(join(cache, part), { recursive: true })
      sweepPartials(join(cache, part))
    }
  }
  const library = await findLibrary({
    env,
    cache,
    builds: await wantedBuilds(env, cache, attempts),
    check: loadNative,
    attempts
  })
  if (!library) return wasm(attempts)
  const addon = await workingAddon(library, cache, env, attempts)
  return native(library, addon, env, attempts)
}

async function workingAddon(library, cache, env, attempts) {
  const addon = await provideAddon(library, cache, env)
  const checked = addon.ok ? await loadNative(join(library.folder, libraryName), addon.file) : addon
  const reason = addon.ok && !checked.ok ? `${addon.file} does not work: ${checked.reason}` : addon.reason
  attempts.push({ route: "addon", ok: checked.ok, reason, ...(checked.mend && { mend: checked.mend }) })
  return checked.ok ? addon.file : undefined
}

/** Loads a library (and an addon) in a child; `{ ok, version, gpu }` or `{ ok: false, reason }`. */
export async function loadNative(...files) {
  const node = existsSync(pinnedNode()) ? pinnedNode() : process.execPath
  const smoke = fileURLToPath(new URL("smoke.mjs", import.meta.url))
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "2" }
  const { ok, stdout, text } = await runChild(node, [smoke, ...files], { env })
  const told = ok && stdout.split("\n").find((line) => line.startsWith('{"version"'))
  return told ? { ok: true, ...JSON.parse(told) } : { ok: false, reason: text.replace(/^error: /i, "") }
}

function native({ folder, version, gpu }, addon, env, attempts) {
  // TensorFlow multiplies in TF32 on Ampere and later unless told otherwise, which changes results.
  const numerics = gpu
    ? { class: "tensorflow-cuda", version, dtype: "float32", tf32: env.NVIDIA_TF32_OVERRIDE !== "0" }
    : { class: "tensorflow-cpu", version, dtype: "float32" }
  return {
    engine: addon ? "session" : "capi",
    version,
    library: folder,
    addon: addon ?? null,
    numerics,
    device: gpu ? "cuda" : "cpu",
    attempts
  }
}

function wasm(attempts) {
  const require = createRequire(join(root, "packages", "nn", "package.json"))
  const { version } = require("@tensorflow/tfjs-backend-wasm/package.json")
  const numerics = { class: "wasm", version, dtype: "float32" }
  return { engine: "wasm", version, library: null, addon: null, numerics, device: "cpu", attempts }
}

function report({ engine, version, attempts }, forced) {
  const failed = attempts.filter(({ ok }) => !ok)
  if (engine === "wasm" && !forced) {
    const mend = failed.findLast((attempt) => attempt.mend)?.mend ?? "npx hone doctor shows each attempt"
    say(
      `no native TensorFlow (${failed.at(-1)?.reason.slice(0, 200)}), so Hone computes with its slower wasm engine; to mend: ${mend}`
    )
  } else if (engine === "capi" && !forced) {
    const addon = failed.find(({ route }) => route === "addon")
    say(`tensor engine capi: TensorFlow ${version} by its C API, as the addon could not be built (${addon?.reason})`)
  } else if (forced && forced !== engine) say(`tensor engine ${forced}, as asked for; ${engine} is there too`)
  else say(`tensor engine ${engine} (${engine === "wasm" ? "tfjs wasm" : "TensorFlow"} ${version})`)
}
