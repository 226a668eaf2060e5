import { execFile } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { promisify } from "node:util"
import { FetchProblem, type Fetching } from "./Download.ts"

/** `npm:name@version/path`, taken apart. */
export interface NpmSpec {
  readonly name: string
  /** Exact; without one only an installed package will do. */
  readonly version: string | undefined
  /** "" for the package itself. */
  readonly path: string
}

const pattern = /^npm:(?<name>(?:@[\w~][\w.~-]*\/)?[\w~][\w.~-]*)(?:@(?<version>[^/]*))?(?:\/(?<path>.*))?$/u
const exact = /^\d+\.\d+\.\d+(?:-[\w.-]+)?(?:\+[\w.-]+)?$/u

/** Fails by FetchProblem where the text names no package, or a range of versions. */
export const parseNpm = (spec: string): NpmSpec => {
  const groups = pattern.exec(spec)?.groups
  if (groups === undefined)
    throw new FetchProblem(
      `\`${spec}\` names no package`,
      "write npm:package/path, or npm:package@1.2.3/path to have it fetched"
    )
  const version = groups["version"]
  if (version !== undefined && !exact.test(version))
    throw new FetchProblem(
      `\`${spec}\`: ${version === "" ? "nothing" : `\`${version}\``} is no exact version`,
      "write one such as @1.2.3: a tag or a range may be another package tomorrow"
    )
  return { name: groups["name"]!, version, path: groups["path"] ?? "" }
}

/** Folders named node_modules from `start` upwards. */
function* moduleFolders(start: string): Generator<string> {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    yield join(folder, "node_modules")
    if (dirname(folder) === folder) return
  }
}

const versionOf = (root: string): string | undefined => {
  try {
    return (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version?: string }).version
  } catch {
    return undefined
  }
}

/** The folder of an installed package, of the version asked for if there is one, looked for from each of `from` upwards. */
export const installedPackage = ({ name, version }: NpmSpec, from: ReadonlyArray<string>): string | undefined =>
  from
    .flatMap((start) => [...moduleFolders(start)].map((folder) => join(folder, name)))
    .find((root) => existsSync(root) && (version === undefined || versionOf(root) === version))

const run = promisify(execFile)

/** Runs `npm` or `tar`; their last words become the FetchProblem. */
const runTool = async (
  tool: string,
  args: ReadonlyArray<string>,
  cwd: string,
  what: string,
  { env, signal }: Fetching
) => {
  try {
    await run(tool, [...args], { cwd, env, signal, maxBuffer: 64 << 20 })
  } catch (error) {
    if (signal.aborted) throw error
    const { code, stderr = "" } = error as { readonly code?: unknown; readonly stderr?: string }
    if (code === "ENOENT")
      throw new FetchProblem(`${what}, which needs \`${tool}\`, and there is none`, `install ${tool}`)
    const words = stderr
      .split("\n")
      .filter((line) => !/^npm (?:error|ERR!) code /u.test(line))
      .map((line) => line.replace(/^npm (?:error|ERR!) ?(?:notarget|404|network)? ?/u, "").trim())
    const told = words.find((line) => line !== "")
    throw new FetchProblem(`${what}: ${told ?? `${tool} failed (${String(code)})`}`, hintOf(stderr))
  }
}

const hintOf = (stderr: string): string => {
  if (/E404|ETARGET/u.test(stderr))
    return "look for a misspelling in its name, and for its versions: npm view NAME versions"
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENOTCACHED/u.test(stderr))
    return "run once with a connection; from then on it is read from the cache"
  return "npm's own settings (registry, proxy, token) are used: try npm pack with the same name"
}

/**
 * The folder of a package in the cache. It is fetched where it is missing by `npm pack`, so from the registry and with the rights that
 * npm has here, and with npm's check of its digest. Nothing of it is run and nothing that it depends on is fetched. Fails by FetchProblem.
 * @param from the folder whose .npmrc counts
 */
export const fetchedPackage = async (
  { name, version }: NpmSpec & { readonly version: string },
  from: string,
  cache: string,
  fetching: Fetching
): Promise<string> => {
  const versions = join(cache, "npm", name)
  const root = join(versions, version)
  if (existsSync(root)) return root
  mkdirSync(versions, { recursive: true })
  const work = mkdtempSync(join(versions, ".fetching-"))
  try {
    const what = `the npm package \`${name}@${version}\` cannot be fetched`
    fetching.onProgress?.({ spec: `npm:${name}@${version}`, bytes: 0, total: undefined })
    await runTool(
      "npm",
      // Under `npm start --silent` npm would say nothing of what went wrong, not even here.
      ["pack", "--loglevel=error", "--ignore-scripts", "--pack-destination", work, `${name}@${version}`],
      from,
      what,
      fetching
    )
    const archive = readdirSync(work).find((file) => file.endsWith(".tgz"))
    if (archive === undefined)
      throw new FetchProblem(`${what}: npm pack wrote nothing`, "try npm pack with the same name")
    // A package's files lie in one folder of the archive, which is nearly always named `package`.
    mkdirSync(join(work, "unpacked"))
    await runTool(
      "tar",
      ["-xzf", join(work, archive), "--strip-components=1", "--no-same-owner", "-C", join(work, "unpacked")],
      work,
      what,
      fetching
    )
    try {
      renameSync(join(work, "unpacked"), root)
    } catch (error) {
      // Another process was faster: what it put there is the same.
      if (!existsSync(root)) throw error
    }
    return root
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
