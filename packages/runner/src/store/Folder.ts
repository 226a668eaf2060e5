import { existsSync, mkdirSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

/** Where things lie below `.hone`. Everything but `cas`, `ac` and `trajectories` is a view or scratch that can go at any time. */
export interface StoreFolder {
  /** The folder that holds `.hone`. */
  readonly home: string
  readonly root: string
  readonly cas: string
  readonly ac: string
  readonly shelves: string
  readonly attempts: string
  readonly trajectories: string
  readonly runs: string
  readonly last: string
  /** Logs of sweeps; what their trials made is in use as long as its log stands. */
  readonly sweeps: string
  readonly memo: string
  readonly drift: string
  /** What may not be collected. */
  readonly pins: string
  /** What values of the environment are digested with: see `saltedDigest`. */
  readonly salt: string
  /** What runs that are under way use. */
  readonly live: string
  /** Blobs whose bytes were not theirs any more. */
  readonly damaged: string
}

/** The nearest ancestor with `hone.yaml` or `.git`, else the pipeline's own folder. */
export const homeOf = (pipelineFile: string): string => {
  const own = dirname(resolve(pipelineFile))
  for (let folder = own; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "hone.yaml")) || existsSync(join(folder, ".git"))) return folder
    if (dirname(folder) === folder) return own
  }
}

export const storeFolder = (home: string): StoreFolder => {
  const root = join(home, ".hone")
  const at = (name: string) => join(root, name)
  return {
    home,
    root,
    cas: at("cas"),
    ac: at("ac"),
    shelves: at("shelves"),
    attempts: at("attempts"),
    trajectories: at("trajectories"),
    runs: at("runs"),
    last: at("last"),
    sweeps: at("sweeps"),
    memo: at("memo"),
    drift: at("drift"),
    pins: at("pins"),
    salt: at("salt"),
    live: at("live"),
    damaged: at("damaged")
  }
}

export const blobPath = (folder: StoreFolder, blob: string): string => join(folder.cas, blob.slice(0, 2), blob)

export const recordPath = (folder: StoreFolder, key: string): string => join(folder.ac, `${key}.json`)

export const makeFolder = (path: string): string => {
  mkdirSync(path, { recursive: true })
  return path
}
