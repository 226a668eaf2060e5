import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, matchesGlob } from "node:path"
import { type Check, download, FetchProblem, refusal, unreachable } from "./Download.ts"

type Env = Readonly<Record<string, string | undefined>>

/** What a repository holds: data sets for rows, models for weights. */
export type HubKind = "datasets" | "models"

interface HubSpec {
  readonly spec: string
  readonly name: string
  readonly revision: string
  readonly path: string
}

const pattern = /^hf:(?<name>[\w.-]+\/[\w.-]+)(?:@(?<revision>[^/]+))?(?:\/(?<path>.+))?$/u
const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/u.test(revision)
const isGlob = (path: string): boolean => /[*?[{]/u.test(path)
const dataFile = /\.(csv|tsv|jsonl?|parquet|arrow|txt)(\.gz|\.zst)?$/iu

/**
 * The files behind `hf:org/name@revision/path` in the cache, fetched where they are missing: by the hub's addresses
 * (`/datasets/org/name/resolve/REVISION/path`), from HF_ENDPOINT where it is set. A revision that is a name stands for the commit
 * that it had when it was first asked for: what is cached stays as it is, and needs no connection. Gives a path, or a pattern of
 * them where the source is one. Fails by FetchProblem.
 */
export const fromHub = async (
  spec: string,
  kind: HubKind,
  cache: string,
  env: Env,
  signal: AbortSignal
): Promise<string> => {
  const groups = pattern.exec(spec)?.groups
  if (groups === undefined)
    throw new FetchProblem(`\`${spec}\` names no file of a hub`, "write hf:org/name@revision/path/of/file")
  const parsed: HubSpec = {
    spec,
    name: groups["name"]!,
    revision: groups["revision"] ?? "main",
    path: groups["path"] ?? ""
  }
  if (parsed.path.split("/").includes(".."))
    throw new FetchProblem(`\`${spec}\` leads out of the repository`, "name a file inside it")
  const hub = new Repository(kind, parsed, cache, env, signal)
  return parsed.path === "" || isGlob(parsed.path) ? hub.several() : hub.file(parsed.path)
}

class Repository {
  readonly #kind: HubKind
  readonly #of: HubSpec
  readonly #folder: string
  readonly #endpoint: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #signal: AbortSignal

  constructor(kind: HubKind, of: HubSpec, cache: string, env: Env, signal: AbortSignal) {
    this.#kind = kind
    this.#of = of
    this.#folder = join(cache, "hf", kind, of.name)
    this.#endpoint = (env["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/+$/u, "")
    const token = env["HF_TOKEN"]
    this.#headers = token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` }
    this.#signal = signal
  }

  async file(path: string): Promise<string> {
    const pinned = this.#commit
    const known = pinned === undefined ? undefined : join(this.#folder, pinned, path)
    if (known !== undefined && existsSync(known)) return known
    const url = this.#resolve(pinned ?? this.#of.revision, path)
    const { check, commit } = await this.#ask(url)
    this.#pin(commit)
    const target = join(this.#folder, commit, path)
    return download(
      { url, path: target, spec: this.#of.spec, headers: this.#headers, ...(check === undefined ? {} : { check }) },
      this.#signal
    )
  }

  /** The files that the pattern matches; without a path the one data file that there is. */
  async several(): Promise<string> {
    const names = await this.#list()
    const { path, spec } = this.#of
    const wanted = names.filter((name) => (path === "" ? dataFile.test(name) : matchesGlob(name, path)))
    if (path === "" && wanted.length !== 1) {
      const hint =
        wanted.length === 0
          ? "name a file of it after a slash"
          : `write one of: ${wanted.slice(0, 10).join(", ")}, or a pattern`
      throw new FetchProblem(`\`${spec}\` names no file, and the repository has ${wanted.length} files of data`, hint)
    }
    if (wanted.length === 0)
      throw new FetchProblem(`no file of the repository matches \`${spec}\``, `it has ${names.slice(0, 10).join(", ")}`)
    const paths: Array<string> = []
    for (const name of wanted) paths.push(await this.file(name))
    return path === "" ? paths[0]! : join(this.#folder, this.#commit!, path)
  }

  /** The commit that the revision stands for, where that is known. */
  get #commit(): string | undefined {
    const { revision } = this.#of
    if (isCommit(revision)) return revision
    const file = this.#pinFile
    return existsSync(file) ? readFileSync(file, "utf8") : undefined
  }

  get #pinFile(): string {
    return join(this.#folder, "revisions", encodeURIComponent(this.#of.revision))
  }

  #pin(commit: string): void {
    if (isCommit(this.#of.revision) || existsSync(this.#pinFile)) return
    mkdirSync(dirname(this.#pinFile), { recursive: true })
    writeFileSync(this.#pinFile, commit)
  }

  #resolve(revision: string, path: string): string {
    const encoded = [encodeURIComponent(revision), ...path.split("/").map(encodeURIComponent)].join("/")
    return `${this.#endpoint}/${this.#kind === "datasets" ? "datasets/" : ""}${this.#of.name}/resolve/${encoded}`
  }

  /** The commit behind an address, and what the bytes must come to: large files by SHA-256, others by their git digest. */
  async #ask(url: string): Promise<{ readonly commit: string; readonly check: Check | undefined }> {
    const { headers } = await this.#fetch(url, "HEAD")
    const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replaceAll('"', "")
    const kind = /^[0-9a-f]{64}$/u.test(etag) ? "sha256" : /^[0-9a-f]{40}$/u.test(etag) ? "git-blob" : undefined
    return {
      commit: headers.get("x-repo-commit") ?? this.#of.revision,
      check: kind === undefined ? undefined : { kind, digest: etag }
    }
  }

  async #list(): Promise<ReadonlyArray<string>> {
    const pinned = this.#commit
    const known = pinned === undefined ? undefined : join(this.#folder, `${pinned}.json`)
    if (known !== undefined && existsSync(known))
      return JSON.parse(readFileSync(known, "utf8")) as ReadonlyArray<string>
    const url = `${this.#endpoint}/api/${this.#kind}/${this.#of.name}/revision/${encodeURIComponent(pinned ?? this.#of.revision)}`
    const found = (await (await this.#fetch(url, "GET")).json()) as {
      readonly sha: string
      readonly siblings: ReadonlyArray<{ readonly rfilename: string }>
    }
    const names = found.siblings.map(({ rfilename }) => rfilename).sort()
    this.#pin(found.sha)
    mkdirSync(this.#folder, { recursive: true })
    writeFileSync(join(this.#folder, `${found.sha}.json`), JSON.stringify(names))
    return names
  }

  async #fetch(url: string, method: "GET" | "HEAD"): Promise<Response> {
    const place = { spec: this.#of.spec, url }
    let response: Response
    try {
      // Large files are answered by a redirect, whose own headers tell commit and digest.
      response = await fetch(url, {
        method,
        headers: this.#headers,
        redirect: method === "HEAD" ? "manual" : "follow",
        signal: this.#signal
      })
      if (!response.ok && (response.status < 300 || response.status >= 400)) throw refusal(place, response.status)
    } catch (error) {
      throw error instanceof FetchProblem || this.#signal.aborted ? error : unreachable(place, error)
    }
    return response
  }
}
