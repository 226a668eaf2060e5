import { createHash } from "node:crypto"
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, join } from "node:path"
import { isOfDead, ownerTag } from "../store/Alive.ts"

/** What keeps a source from being found or fetched, in words for the user. */
export class FetchProblem extends Error {
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** How far a file is. */
export interface Progress {
  readonly spec: string
  /** Of the file, those of an earlier attempt included. */
  readonly bytes: number
  /** Undefined where the server does not tell. */
  readonly total: number | undefined
}

/** What whoever asks for a file brings along. */
export interface Fetching {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Hears of every piece that arrives. */
  readonly onProgress?: (progress: Progress) => void
}

export interface Wanted {
  readonly url: string
  /** Where it is kept. A file that is there is complete and was checked. */
  readonly path: string
  /** How messages name it. */
  readonly spec: string
  readonly headers?: Readonly<Record<string, string>>
  /** The digest that its bytes must have. */
  readonly check?: Check
}

export type Check = { readonly kind: "sha256" | "git-blob"; readonly digest: string }

const ATTEMPTS = 4
const PAUSE_MILLIS = 500
/** A server that sends nothing for so long is taken for gone. */
const SILENCE_MILLIS = 60_000

/** Hone's own folder for what was fetched, which all pipelines of a user share. */
export const cacheFolder = (env: Readonly<Record<string, string | undefined>>): string =>
  env["HONE_CACHE"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "hone")

/**
 * Fetches a file unless it is there. What was fetched of it before is kept and the rest asked for (Range, If-Range); a connection
 * that breaks is taken up again. Fails by FetchProblem.
 */
export const download = async (wanted: Wanted, { onProgress, signal }: Omit<Fetching, "env">): Promise<string> => {
  if (existsSync(wanted.path)) return wanted.path
  mkdirSync(dirname(wanted.path), { recursive: true })
  const part = ownPart(wanted.path)
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchInto(part, wanted, signal, onProgress)
      break
    } catch (error) {
      if (error instanceof FetchProblem || signal.aborted) throw error
      if (attempt === ATTEMPTS) throw unreachable(wanted, error)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS * attempt))
    }
  }
  await verify(part, wanted)
  // Another process may have been first: its file is the same.
  renameSync(part, wanted.path)
  rmSync(`${part}.etag`, { force: true })
  return wanted.path
}

let serial = 0

/**
 * Where this process puts a file together: beside its place, under a name of its own, so that two processes that fetch the same file do not
 * write into each other's. What an ended process left of it is taken over; only one of several succeeds in the rename.
 */
const ownPart = (path: string): string => {
  const own = `${path}.${ownerTag}.${serial++}.part`
  const begins = `${basename(path)}.`
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(begins) || !name.endsWith(".part") || !isOfDead(name.slice(begins.length))) continue
    const left = join(dirname(path), name)
    try {
      renameSync(left, own)
    } catch {
      continue
    }
    if (existsSync(`${left}.etag`)) renameSync(`${left}.etag`, `${own}.etag`)
    break
  }
  return own
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const fetchInto = async (
  part: string,
  wanted: Wanted,
  signal: AbortSignal,
  onProgress: Fetching["onProgress"]
): Promise<void> => {
  const have = sizeOf(part)
  const etag = existsSync(`${part}.etag`) ? readFileSync(`${part}.etag`, "utf8") : undefined
  // Without a mark of its version, or a digest that would tell, the rest could be of another file.
  const resumes = have > 0 && (etag !== undefined || wanted.check !== undefined)
  const range = resumes ? { range: `bytes=${have}-`, ...(etag === undefined ? {} : { "if-range": etag }) } : {}
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), SILENCE_MILLIS)
  const ends = AbortSignal.any([signal, silence.signal])
  try {
    const response = await fetch(wanted.url, {
      headers: { ...wanted.headers, ...range, "accept-encoding": "identity" },
      signal: ends
    })
    if (response.status === 416) {
      // Nothing is left to send: all of it is here, or what is here is of another file, which the check tells.
      if (wanted.check === undefined) rmSync(part, { force: true })
      else return
    }
    if (!response.ok) throw refusal(wanted, response)
    const continues =
      response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${have}-`) === true
    const mark = response.headers.get("etag")
    if (mark !== null && !mark.startsWith("W/")) writeFileSync(`${part}.etag`, mark)
    const before = continues ? have : 0
    const length = Number(response.headers.get("content-length") ?? NaN)
    const total = Number.isNaN(length) ? undefined : before + length
    let here = before
    const fd = openSync(part, continues ? "a" : "w")
    try {
      for await (const bytes of response.body!) {
        for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at)
        here += bytes.byteLength
        onProgress?.({ spec: wanted.spec, bytes: here, total })
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), SILENCE_MILLIS)
      }
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    if (total !== undefined && total > here) throw new Error("the connection ended early")
  } finally {
    clearTimeout(timer)
  }
}

const verify = async (part: string, { check, spec }: Wanted): Promise<void> => {
  if (check === undefined) return
  const hash = createHash(check.kind === "sha256" ? "sha256" : "sha1")
  if (check.kind === "git-blob") hash.update(`blob ${sizeOf(part)}\0`)
  for await (const bytes of createReadStream(part)) hash.update(bytes as Buffer)
  const found = hash.digest("hex")
  if (found === check.digest) return
  rmSync(part, { force: true })
  rmSync(`${part}.etag`, { force: true })
  const what = check.kind === "sha256" ? "SHA-256" : "git digest"
  throw new FetchProblem(
    `\`${spec}\` has the ${what} ${found}, not ${check.digest}`,
    "the file was changed at its address: look at it, and write the digest that you trust"
  )
}

/** Why a server gives no file: what lasts as a FetchProblem to be thrown; throws an Error where it may answer when asked again. */
export const refusal = (
  { spec, url }: Pick<Wanted, "spec" | "url">,
  { status }: Pick<Response, "status">
): FetchProblem => {
  if (status === 404)
    return new FetchProblem(`\`${spec}\` is not there: ${url} answers 404`, "look for a misspelling in the address")
  if (status === 401 || status === 403)
    return new FetchProblem(
      `\`${spec}\` is not for everyone: ${url} answers ${status}`,
      "fetch the file yourself, and name it by its path"
    )
  if (status === 429 || status >= 500) throw new Error(`${url} answers ${status}`)
  return new FetchProblem(`\`${spec}\` cannot be fetched: ${url} answers ${status}`, "")
}

export const unreachable = ({ spec, url }: Pick<Wanted, "spec" | "url">, error: unknown): FetchProblem => {
  const cause = (error as { readonly cause?: { readonly code?: string } }).cause?.code
  const why = cause ?? (error as Error).message
  return new FetchProblem(
    `\`${spec}\` is not in the cache, and ${url} cannot be reached (${why})`,
    "run once with a connection; from then on it is read from the cache"
  )
}
