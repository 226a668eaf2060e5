import { join } from "node:path"
import { cacheFolder, download, FetchProblem } from "./Download.ts"
import { fromHub, type HubKind } from "./Hub.ts"

type Env = Readonly<Record<string, string | undefined>>

/** Sources that may have to be fetched before they are a path. */
export const isRemote = (spec: string): boolean => /^(?:https?|hf):/u.test(spec)

/** The path of a remote source in the cache, fetched if it is not there. Fails by FetchProblem. */
export const fetched = async (spec: string, kind: HubKind, env: Env, signal: AbortSignal): Promise<string> => {
  const cache = cacheFolder(env)
  if (spec.startsWith("hf:")) return fromHub(spec, kind, cache, env, signal)
  const [, url = "", sha256] = /^(.*?)(?:#sha256=([0-9a-f]{64}))?$/u.exec(spec)!
  if (sha256 === undefined) {
    const hint = "write sha256 beside source: the address alone does not say which bytes are meant, and they may change"
    throw new FetchProblem(`\`${url}\` has no sha256`, hint)
  }
  return download(
    { url, path: join(cache, "http", sha256), spec: url, check: { kind: "sha256", digest: sha256 } },
    signal
  )
}
