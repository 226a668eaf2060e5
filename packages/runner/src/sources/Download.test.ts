import { createHash } from "node:crypto"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ownerTag } from "../store/Alive.ts"
import { locate } from "./Locate.ts"

const sha256 = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex")
const rows = Buffer.from(`text,label\n${"a row,1\n".repeat(5000)}`)

let folder: string
let server: Server
let origin: string
let requests: Array<string>
let answer: (request: IncomingMessage, response: ServerResponse) => void

/** A server that knows Range, as the hub's does. */
const serve = (
  bytes: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  etag: string,
  stopAfter = Infinity
) => {
  const from = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? "")?.[1] ?? 0)
  const isSame = request.headers["if-range"] === undefined || request.headers["if-range"] === `"${etag}"`
  const start = isSame ? from : 0
  const rest = bytes.subarray(start)
  const range = start === 0 ? {} : { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }
  response.writeHead(start === 0 ? 200 : 206, { "content-length": rest.length, etag: `"${etag}"`, ...range })
  if (request.method === "HEAD") return response.end()
  if (rest.length <= stopAfter) return response.end(rest)
  // The line breaks in the middle.
  return response.write(rest.subarray(0, stopAfter), () => setTimeout(() => response.destroy(), 20))
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hone-remote-"))
  requests = []
  server = createServer((request, response) => {
    requests.push(
      `${request.method} ${request.url}${request.headers.range === undefined ? "" : ` ${request.headers.range}`}`
    )
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const get = (spec: string) =>
  locate(spec, { folder, ownFolder: folder }, { env: { HONE_CACHE: folder }, signal: new AbortController().signal })
const problem = (spec: string) =>
  get(spec).then(
    () => undefined,
    (error: Error & { hint: string }) => `${error.message}\n${error.hint}`
  )

describe("http(s) with sha256", () => {
  it("is fetched once; a broken line is taken up where it broke", async () => {
    let broken = 0
    answer = (request, response) => serve(rows, request, response, "v1", broken++ === 0 ? 20_000 : Infinity)
    const spec = `${origin}/rows.csv#sha256=${sha256(rows)}`
    expect(readFileSync(await get(spec))).toEqual(rows)
    expect(requests).toEqual(["GET /rows.csv", "GET /rows.csv bytes=20000-"])
    await get(spec)
    expect(requests.length, "the second time nothing is asked").toBe(2)
  })

  it("goes on with what an earlier run left", async () => {
    answer = (request, response) => serve(rows, request, response, "v1")
    const path = await get(`${origin}/rows.csv#sha256=${sha256(rows)}`)
    rmSync(path)
    const { pid } = spawnSync("true")
    const tag = ownerTag.replace(String(process.pid), String(pid))
    writeFileSync(`${path}.${tag}.0.part`, rows.subarray(0, 12_345))
    expect(readFileSync(await get(`${origin}/rows.csv#sha256=${sha256(rows)}`))).toEqual(rows)
    expect(requests.at(-1)).toBe("GET /rows.csv bytes=12345-")
    expect(readdirSync(dirname(path))).toEqual([basename(path)])
  })

  it("two processes that fetch the same file at once do not write into each other's", async () => {
    const both: Array<() => void> = []
    answer = (request, response) => {
      const rest = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? "")?.[1] ?? 0)
      response.writeHead(rest === 0 ? 200 : 206, { "content-range": `bytes ${rest}-${rows.length - 1}/${rows.length}` })
      response.write(rows.subarray(rest, 20_000))
      both.push(() => response.end(rows.subarray(Math.max(rest, 20_000))))
      // Each has written its first half before either gets the rest.
      if (both.length === 2) setTimeout(() => both.forEach((go) => go()), 200)
    }
    const wanted = {
      url: `${origin}/rows.csv`,
      path: join(folder, "rows.csv"),
      spec: "rows",
      check: { kind: "sha256", digest: sha256(rows) }
    }
    const module = new URL("./Download.ts", import.meta.url).href
    const code = `const { download } = await import(${JSON.stringify(module)})
      await download(${JSON.stringify(wanted)}, { signal: new AbortController().signal })`
    const ends = [1, 2].map(
      () =>
        new Promise((resolve) =>
          spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "inherit" }).on("close", resolve)
        )
    )
    expect(await Promise.all(ends)).toEqual([0, 0])
    expect(requests).toEqual(["GET /rows.csv", "GET /rows.csv"])
    expect(readFileSync(wanted.path)).toEqual(rows)
    expect(readdirSync(folder)).toEqual(["rows.csv"])
  })

  it("refuses other bytes, an address without a digest, and one that is not there", async () => {
    answer = (request, response) =>
      request.url === "/gone" ? response.writeHead(404).end() : serve(rows, request, response, "v1")
    expect(await problem(`${origin}/rows.csv#sha256=${"0".repeat(64)}`)).toMatch(
      `has the SHA-256 ${sha256(rows)}, not 000`
    )
    expect(await problem(`${origin}/rows.csv`)).toMatch(/has no sha256\nwrite sha256 beside source/)
    expect(await problem(`${origin}/gone#sha256=${"0".repeat(64)}`)).toMatch("answers 404")
  })
})
