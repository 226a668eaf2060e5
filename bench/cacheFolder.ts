import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** The folder that set-up uses, too: HONE_CACHE, else the user's cache. What a bench installs for comparison lies there. */
export const cacheFolder = (): string => {
  const { HONE_CACHE, XDG_CACHE_HOME } = process.env
  if (HONE_CACHE) return resolve(HONE_CACHE)
  return join(XDG_CACHE_HOME ? resolve(XDG_CACHE_HOME) : join(homedir(), ".cache"), "hone")
}
