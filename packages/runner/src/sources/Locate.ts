import { existsSync, readdirSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, isAbsolute, join, resolve, sep } from "node:path"
import { nearest } from "@hone/core/file/Suggest"
import { filesAt, pathKind } from "@hone/steps/ingest/files"
import { cacheFolder, download, FetchProblem, type Fetching } from "./Download.ts"
import { dataFromHub, modelFromHub } from "./Hub.ts"
import { fetchedPackage, installedPackage, parseNpm } from "./NpmPackage.ts"

/** Where sources that are no address are looked for, and what one is. */
export interface Whereabouts {
  /** What relative paths count from. */
  readonly folder: string
  /** Hone's own folder, whose packages are seen after those above `folder`. */
  readonly ownFolder: string
  /** Given where the source is a model's folder: see `modelFromHub`. Absent: it holds rows. */
  readonly suits?: (folder: string) => Promise<boolean>
}

/**
 * The path behind a source, fetched into the cache where it is not on this machine: a file, folder or pattern relative to the
 * pipeline, `npm:package/path`, `npm:package@version/path`, `hf:org/name@revision/path`, or an address with `#sha256=`. Fails by
 * FetchProblem.
 */
export const locate = async (spec: string, whereabouts: Whereabouts, fetching: Fetching): Promise<string> => {
  const cache = cacheFolder(fetching.env)
  if (spec.startsWith("npm:")) return inPackage(spec, whereabouts, cache, fetching)
  if (spec.startsWith("hf:")) {
    const { suits } = whereabouts
    return suits === undefined ? dataFromHub(spec, cache, fetching) : modelFromHub(spec, cache, fetching, suits)
  }
  if (/^https?:/u.test(spec)) return fromAddress(spec, cache, fetching)
  const scheme = /^([a-z][a-z0-9+]+):/u.exec(spec)?.[1]
  if (scheme !== undefined)
    throw new FetchProblem(
      `sources of the form \`${scheme}:\` are not known`,
      "write a path, npm:package/path, hf:org/name@revision/path or an https address"
    )
  return onDisk(spec, whereabouts.folder)
}

const fromAddress = (spec: string, cache: string, fetching: Fetching): Promise<string> => {
  const [, url = "", sha256] = /^(.*?)(?:#sha256=([0-9a-f]{64}))?$/u.exec(spec)!
  if (sha256 === undefined) {
    const hint = "write sha256 beside source: the address alone does not say which bytes are meant, and they may change"
    throw new FetchProblem(`\`${url}\` has no sha256`, hint)
  }
  return download(
    { url, path: join(cache, "http", sha256), spec: url, check: { kind: "sha256", digest: sha256 } },
    fetching
  )
}

const onDisk = (spec: string, folder: string): string => {
  if (spec === "") throw new FetchProblem("the source is empty", "write a path, or npm:package/path")
  const expanded = spec.startsWith("~/") ? join(homedir(), spec.slice(2)) : spec
  const path = isAbsolute(expanded) ? expanded : resolve(folder, expanded)
  if (pathKind(path) === "pattern") return matching(spec, path)
  if (!existsSync(path)) {
    const beside =
      statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(dirname(path)) : []
    const near = nearest(basename(path), beside)
    throw new FetchProblem(
      `there is no \`${spec}\``,
      near === undefined
        ? `it would be ${path}; relative paths count from the pipeline's folder`
        : `did you mean \`${join(dirname(spec), near)}\`?`
    )
  }
  return path
}

const matching = (spec: string, path: string): string => {
  if (filesAt(path).length > 0) return path
  throw new FetchProblem(
    `no file matches \`${spec}\``,
    "* stands for any name, ** for any folders; relative paths count from the pipeline's folder"
  )
}

const isInside = (path: string, root: string) => path === root || path.startsWith(root + sep)

const inPackage = async (
  spec: string,
  { folder, ownFolder }: Whereabouts,
  cache: string,
  fetching: Fetching
): Promise<string> => {
  const { name, path: inner, version } = parseNpm(spec)
  const installed = installedPackage({ name, version, path: inner }, [folder, ownFolder])
  if (installed === undefined && version === undefined)
    throw new FetchProblem(
      `the npm package \`${name}\` is not installed`,
      `npm install ${name}; or write its version, npm:${name}@1.2.3/..., to have it fetched`
    )
  const root = installed ?? (await fetchedPackage({ name, version: version!, path: inner }, folder, cache, fetching))
  const path = join(root, inner)
  if (!isInside(path, root)) throw new FetchProblem(`\`${spec}\` leads out of the package`, "name a file inside it")
  if (pathKind(path) === "pattern") return matching(spec, path)
  if (!existsSync(path))
    throw new FetchProblem(`the package \`${name}\` has no \`${inner}\``, `look in ${root} for the right name`)
  // A link may lead out even where the text does not.
  if (!isInside(realpathSync(path), realpathSync(root)))
    throw new FetchProblem(`\`${spec}\` is a link out of the package`, "name a real file")
  return path
}
