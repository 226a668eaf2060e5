import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** The clone that this code runs from, whether as a bundle or as sources: the nearest folder above with nx.json. */
export function cloneRoot(from = fileURLToPath(import.meta.url)): string {
  const folder = dirname(from)
  if (existsSync(join(folder, "nx.json"))) return folder
  if (folder === dirname(folder)) throw new Error("this copy of Hone does not lie in a clone of its repository")
  return cloneRoot(folder)
}

/** Where set-up wrote the engine that it chose. */
export function engineFilePath(root: string, env: NodeJS.ProcessEnv): string {
  const { HONE_ENGINE_FILE } = env
  return HONE_ENGINE_FILE ? resolve(HONE_ENGINE_FILE) : join(root, "node_modules", ".cache", "hone", "engine.json")
}

/** The user's cache: TensorFlow and the addon, shared by all clones. */
export function userCache(env: NodeJS.ProcessEnv): string {
  const { HONE_CACHE, XDG_CACHE_HOME } = env
  if (HONE_CACHE) return resolve(HONE_CACHE)
  return XDG_CACHE_HOME ? join(resolve(XDG_CACHE_HOME), "hone") : join(homedir(), ".cache", "hone")
}
