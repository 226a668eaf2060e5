import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { nearest } from "@hone/core/file/Suggest"
import { type Check, download, FetchProblem, type Fetching, refusal, unreachable } from "./Download.ts"

/** A source's text, taken apart. */
export interface HubSpec {
  readonly spec: string
  /** `org/name`. */
  readonly name: string
  readonly revision: string
  /** A file, pattern or folder inside; "" for none. */
  readonly path: string
}

const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/u.test(revision)
const REDIRECTS = 3

/** One repository of a hub, at one revision: what is in it, and its files in the cache. */
export class HubRepository {
  readonly #kind: "datasets" | "models"
  readonly #of: HubSpec
  readonly #cache: string
  readonly #endpoint: string
  readonly #token: string | undefined
  readonly #fetching: Fetching

  constructor(kind: "datasets" | "models", of: HubSpec, cache: string, fetching: Fetching) {
    const { env } = fetching
    this.#kind = kind
    this.#of = of
    this.#cache = join(cache, "hf", kind, of.name)
    this.#endpoint = (env["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/+$/u, "")
    this.#token = env["HF_TOKEN"] === "" ? undefined : env["HF_TOKEN"]
    this.#fetching = fetching
  }

  /** Where its files lie, once one of them was fetched or the list was. */
  get folder(): string {
    return join(this.#cache, this.#commit!)
  }

  /** The path of a file in the cache, fetched and checked if it is not there. Fails by FetchProblem. */
  async file(path: string): Promise<string> {
    const pinned = this.#commit
    const known = pinned === undefined ? undefined : join(this.#cache, pinned, path)
    if (known !== undefined && existsSync(known)) return known
    const url = this.#resolve(pinned ?? this.#of.revision, path)
    const { check, commit } = await this.#ask(url, path)
    this.#pin(commit)
    const target = join(this.#cache, commit, path)
    const spec = this.#of.path === path ? this.#of.spec : `${this.#of.spec}: ${path}`
    const wanted = { url, path: target, spec, headers: this.#headers, ...(check === undefined ? {} : { check }) }
    return download(wanted, this.#fetching)
  }

  /** The names of all its files, sorted. Fails by FetchProblem. */
  async list(): Promise<ReadonlyArray<string>> {
    const pinned = this.#commit
    const known = pinned === undefined ? undefined : join(this.#cache, `${pinned}.json`)
    if (known !== undefined && existsSync(known))
      return JSON.parse(readFileSync(known, "utf8")) as ReadonlyArray<string>
    const url = `${this.#endpoint}/api/${this.#kind}/${this.#of.name}/revision/${encodeURIComponent(pinned ?? this.#of.revision)}`
    const found = (await (await this.#fetch(url, "GET")).json()) as {
      readonly sha: string
      readonly siblings: ReadonlyArray<{ readonly rfilename: string }>
    }
    const names = found.siblings.map(({ rfilename }) => rfilename).sort()
    if (!isCommit(found.sha) || names.some((name) => name.split("/").includes(".."))) throw this.#noHub(url)
    this.#pin(found.sha)
    mkdirSync(this.#cache, { recursive: true })
    writeFileSync(join(this.#cache, `${found.sha}.json`), JSON.stringify(names))
    return names
  }

  /** The commit that the revision stands for, where that is known. */
  get #commit(): string | undefined {
    const { revision } = this.#of
    if (isCommit(revision)) return revision
    const file = this.#pinFile
    return existsSync(file) ? readFileSync(file, "utf8") : undefined
  }

  get #pinFile(): string {
    return join(this.#cache, "revisions", encodeURIComponent(this.#of.revision))
  }

  get #headers(): Readonly<Record<string, string>> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
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
  async #ask(url: string, path: string): Promise<{ readonly commit: string; readonly check: Check | undefined }> {
    const { headers } = await this.#fetch(url, "HEAD", path)
    const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replaceAll('"', "")
    const kind = /^[0-9a-f]{64}$/u.test(etag) ? "sha256" : /^[0-9a-f]{40}$/u.test(etag) ? "git-blob" : undefined
    const commit = headers.get("x-repo-commit")
    if (commit === null || !isCommit(commit)) throw this.#noHub(url)
    return { commit, check: kind === undefined ? undefined : { kind, digest: etag } }
  }

  /** Commits and names of files become paths in the cache: only what a hub can mean by them is taken. */
  #noHub(url: string): FetchProblem {
    return new FetchProblem(
      `\`${this.#of.spec}\`: ${url} answers without a commit, or with names that no repository has, so it is no hub`,
      "look at HF_ENDPOINT, and whether something stands between here and the hub"
    )
  }

  /** @param path the file that is asked for, where it is one */
  async #fetch(url: string, method: "GET" | "HEAD", path?: string): Promise<Response> {
    try {
      const response = await this.#followed(url, method)
      if (!response.ok && (response.status < 300 || response.status >= 400))
        throw await this.#refusal(url, response, path)
      return response
    } catch (error) {
      throw error instanceof FetchProblem || this.#fetching.signal.aborted
        ? error
        : unreachable({ spec: this.#of.spec, url }, error)
    }
  }

  /**
   * Follows redirects that stay on the hub, as those of a repository that was renamed. One whose own headers tell commit and digest
   * is an answer: it leads to where large files lie.
   */
  async #followed(url: string, method: "GET" | "HEAD"): Promise<Response> {
    let at = url
    for (let redirects = 0; ; redirects++) {
      const { signal } = this.#fetching
      const response = await fetch(at, { method, headers: this.#headers, redirect: "manual", signal })
      const location = response.headers.get("location")
      const answers = response.headers.has("x-repo-commit") && response.headers.has("x-linked-etag")
      if (location === null || answers || redirects === REDIRECTS) return response
      const next = new URL(location, at)
      if (next.origin !== new URL(at).origin) return response
      at = next.href
    }
  }

  /** What the hub refused and why, as far as its X-Error-Code tells; else by the status alone. */
  async #refusal(url: string, response: Response, path: string | undefined): Promise<FetchProblem> {
    const { spec, name, revision } = this.#of
    const { status } = response
    const said = response.headers.get("x-error-code") ?? ""
    const page = `${this.#endpoint}/${this.#kind === "datasets" ? "datasets/" : ""}${name}`
    if (said === "GatedRepo" || status === 403)
      return new FetchProblem(
        `\`${spec}\` may not be read: ${name} is gated, and ${url} answers ${status}`,
        `accept its conditions at ${page}, and set HF_TOKEN to a token of that account`
      )
    if (said === "RevisionNotFound")
      return new FetchProblem(
        `\`${spec}\`: ${name} has no revision ${revision} (${url} answers ${status})`,
        "write a branch, a tag or a commit after @; without one it is main"
      )
    if (status === 401)
      return new FetchProblem(
        `\`${spec}\`: there is no ${this.#kind === "models" ? "model" : "data set"} ${name}, or it is not for everyone (${url} answers 401)`,
        this.#token === undefined
          ? "look for a misspelling; for a private one set HF_TOKEN to a token that may read it"
          : "look for a misspelling, and whether the token in HF_TOKEN is valid and may read it"
      )
    if (status === 404 && path !== undefined && said !== "RepoNotFound")
      return new FetchProblem(`\`${spec}\`: ${name} has no file ${path} (${url} answers 404)`, await this.#near(path))
    if (status === 404)
      return new FetchProblem(
        `\`${spec}\`: there is no ${this.#kind === "models" ? "model" : "data set"} ${name} at ${revision} (${url} answers 404)`,
        "look for a misspelling"
      )
    return refusal({ spec, url }, response)
  }

  /** What may have been meant instead of a file that is not there. */
  async #near(path: string): Promise<string> {
    const names = await this.list().catch(() => [])
    const near = nearest(path, names)
    if (near !== undefined) return `did you mean \`${near}\`?`
    return names.length === 0 ? "look for a misspelling" : `it has ${names.slice(0, 10).join(", ")}`
  }
}
