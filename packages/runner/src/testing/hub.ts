import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** The commit of every repository of a stand-in. */
export const commit = "c0".repeat(20)

/** What stands in for the Hugging Face hub in tests: its addresses, headers and refusals, on this machine. */
export interface StandInHub {
  readonly origin: string
  /** Method, address and Range of each request, in order. */
  readonly requests: Array<string>
  /** Bytes after which the line breaks, once. */
  breakAfter: number
  readonly close: () => Promise<void>
}

/** A repository by its kind and name, `models/org/name`: its files, or who may read it. */
export type Repositories = Record<string, Repository>

interface Repository {
  readonly files: Record<string, Buffer>
  /** Only for who sends the token `let-me-in`. */
  readonly isGated?: true
  /** The name that it has now, as `org/name`. */
  readonly movedTo?: string
  /** Paths whose digest the hub states wrongly. */
  readonly damaged?: ReadonlyArray<string>
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")
const gitBlob = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")
/** Files that the hub keeps apart from the repository, and redirects to. */
const isLarge = (path: string) => /\.(safetensors|parquet|bin)$/u.test(path)

/** Answers as a store of files does: HEAD, Range with If-Range, an ETag. */
const send = (hub: StandInHub, bytes: Buffer, etag: string, request: IncomingMessage, response: ServerResponse) => {
  const asked = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? "")?.[1] ?? 0)
  const mark = request.headers["if-range"]
  const start = mark === undefined || mark === `"${etag}"` ? asked : 0
  const rest = bytes.subarray(start)
  const range = start === 0 ? {} : { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }
  response.writeHead(start === 0 ? 200 : 206, { "content-length": rest.length, etag: `"${etag}"`, ...range })
  if (request.method === "HEAD") return response.end()
  const { breakAfter } = hub
  if (rest.length <= breakAfter) return response.end(rest)
  hub.breakAfter = Infinity
  return response.write(rest.subarray(0, breakAfter), () => setTimeout(() => response.destroy(), 20))
}

const refuse = (response: ServerResponse, status: number, code: string) =>
  response.writeHead(status, { "x-error-code": code }).end()

const answer = (hub: StandInHub, repositories: Repositories, request: IncomingMessage, response: ServerResponse) => {
  const url = decodeURIComponent(request.url!)
  const cdn = /^\/cdn\/(.*)$/u.exec(url)?.[1]
  const listed = /^\/api\/((?:models|datasets)\/[^/]+\/[^/]+)\/revision\/(.+)$/u.exec(url)
  const resolved = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/u.exec(url)
  const name =
    cdn?.split("/").slice(0, 3).join("/") ??
    listed?.[1] ??
    (resolved === null ? "" : `${resolved[1] === undefined ? "models" : "datasets"}/${resolved[2]!}`)
  const repository = repositories[name]
  if (repository === undefined) return refuse(response, 401, "RepoNotFound")
  if (repository.isGated === true && request.headers.authorization !== "Bearer let-me-in")
    return refuse(response, 403, "GatedRepo")
  if (repository.movedTo !== undefined) {
    const own = name.split("/").slice(1).join("/")
    return response.writeHead(307, { location: url.replace(own, repository.movedTo) }).end()
  }
  const { damaged = [], files } = repository
  const revision = listed?.[2] ?? resolved?.[3] ?? commit
  if (!["main", "v2", commit].includes(revision)) return refuse(response, 404, "RevisionNotFound")
  if (listed !== null) {
    return response.end(
      JSON.stringify({ sha: commit, siblings: Object.keys(files).map((rfilename) => ({ rfilename })) })
    )
  }
  const path = cdn?.split("/").slice(3).join("/") ?? resolved![4]!
  const bytes = files[path]
  if (bytes === undefined) return refuse(response, 404, "EntryNotFound")
  if (cdn !== undefined) return send(hub, bytes, sha256(bytes), request, response)
  response.setHeader("x-repo-commit", commit)
  if (!isLarge(path)) return send(hub, bytes, gitBlob(bytes), request, response)
  const headers = {
    "x-linked-etag": `"${damaged.includes(path) ? "1".repeat(64) : sha256(bytes)}"`,
    location: `${hub.origin}/cdn/${name}/${path}`
  }
  return response.writeHead(302, headers).end()
}

/** Starts a stand-in on a free port. `repositories` may be changed while it runs. */
export const standInHub = async (repositories: Repositories): Promise<StandInHub> => {
  const server = createServer((request, response) => {
    const { range } = request.headers
    hub.requests.push(`${request.method} ${request.url}${range === undefined ? "" : ` ${range}`}`)
    answer(hub, repositories, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const hub: StandInHub = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    breakAfter: Infinity,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
  return hub
}
