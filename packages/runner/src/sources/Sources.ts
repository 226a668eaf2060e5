import { dirname, join, resolve } from "node:path"
import { fingerprint } from "@hone/core/Canonical"
import type { Json } from "@hone/core/Json"
import type { ResolvedSource, SourceProblem } from "@hone/core/Services"
import { reveal } from "@hone/core/Secrets"
import { Sources } from "@hone/core/Services"
import type { SourceHead, SourceRequest, Step } from "@hone/core/Step"
import { Effect, Layer } from "effect"
import { readSealed, replaceFile } from "../store/Files.ts"
import { seal } from "@hone/core/Sealed"
import type { StoreFolder } from "../store/Folder.ts"
import { makeFolder } from "../store/Folder.ts"
import type { SourceFile } from "./Digest.ts"
import { digestFile, digestOf, filesOf } from "./Digest.ts"
import { FetchProblem, type Fetching, type Progress } from "./Download.ts"
import { locate } from "./Locate.ts"

/** What was learnt of a file, by a digest of its path at a stamp: its digest, and its head as each way of peeking saw it. */
interface Entry {
  readonly stamp: string
  readonly seen_at: number
  readonly digest?: string
  readonly heads?: Readonly<Record<string, SourceHead>>
}

type Memo = Record<string, Entry>

// A file changed this shortly before it was read could change again within the clock's step and keep its stamp.
const settledMillis = 2000

/** Paths are no one's business: one may hold what the pipeline keeps secret. */
const memoId = ({ path }: SourceFile) => fingerprint("hone-memo/1", path).slice(0, 32)

const message = (error: unknown) => String((error as Error).message ?? error)

/** Whether a model's config is one that the step can use, before its weights are fetched. */
const isUsable = async (step: Step, params: unknown, path: string): Promise<boolean> =>
  (await (await step.peek?.())?.peek(path, params))?.facts?.["problem"] === undefined

/**
 * Sources relative to one pipeline file, fetched where they lie elsewhere. Digests and heads are remembered by stat, so unchanged data
 * is not read.
 */
export const layer = (
  folder: StoreFolder,
  pipelineFile: string,
  ownFolder: string,
  onProgress?: Fetching["onProgress"]
): Layer.Layer<Sources> =>
  Layer.sync(Sources, () => {
    const memoPath = join(folder.memo, "sources.json")
    // Sealed: a turned bit in a digest would be a wrong key.
    const memo: Memo = readSealed<Memo>("memo", memoPath) ?? {}
    const base = dirname(resolve(pipelineFile))

    const remembered = (file: SourceFile): Entry | undefined => {
      const entry = memo[memoId(file)]
      return entry?.stamp === file.stamp && entry.seen_at - file.changed_at > settledMillis ? entry : undefined
    }
    const remember = (file: SourceFile, learnt: Pick<Entry, "digest" | "heads">): void => {
      const before = memo[memoId(file)]?.stamp === file.stamp ? memo[memoId(file)] : undefined
      memo[memoId(file)] = { ...before, ...learnt, stamp: file.stamp, seen_at: Date.now() }
    }
    // Once a source, not once a file: a folder of ten thousand files would write the whole memo as often.
    const keepMemo = (): void => {
      try {
        makeFolder(folder.memo)
        replaceFile(memoPath, seal("memo", memo))
      } catch {
        // A view that saves reading: where it cannot be written (a read-only store), sources are read again.
      }
    }

    const digestOfSource = (path: string, files: ReadonlyArray<SourceFile>): string => {
      const byPath = new Map(files.map((file) => [file.path, file]))
      let isNews = false
      const digest = digestOf(path, files, (name) => {
        const file = byPath.get(name)!
        const known = remembered(file)?.digest
        if (known !== undefined) return known
        const fresh = digestFile(name)
        remember(file, { digest: fresh })
        isNews = true
        return fresh
      })
      if (isNews) keepMemo()
      return digest
    }

    const headOf = (
      request: SourceRequest,
      step: Step,
      params: unknown,
      path: string,
      files: ReadonlyArray<SourceFile>
    ) =>
      Effect.gen(function* () {
        const peek = step.peek
        const first = files[0]
        if (peek === undefined || first === undefined) return {}
        // A folder's head hangs on all its stamps, a file's on its own.
        const way = fingerprint("hone-peek/2", [
          step.kind,
          path,
          params as Json,
          files.map((file) => file.stamp)
        ]).slice(0, 16)
        const known = remembered(first)?.heads?.[way]
        if (known !== undefined) return known
        const head = yield* Effect.tryPromise({
          try: async () => (await peek()).peek(path, params),
          catch: (error): SourceProblem => ({
            message: `\`${request.spec}\` cannot be read: ${message((error as { cause?: unknown }).cause ?? error)}`,
            hint: (error as { hint?: string }).hint ?? ""
          })
        })
        remember(first, { heads: { ...memo[memoId(first)]?.heads, [way]: head } })
        keepMemo()
        return head
      })

    // A secret stands for itself until here, where it opens a source; what is said of that is cleaned of it.
    const pathOf = (
      spec: string,
      step: Step,
      params: unknown,
      conceal: <A>(said: A) => A
    ): Effect.Effect<string, SourceProblem> => {
      return Effect.tryPromise({
        try: (signal) => {
          const suits = step.kind === "base" ? async (path: string) => await isUsable(step, params, path) : undefined
          const whereabouts = { folder: base, ownFolder, ...(suits === undefined ? {} : { suits }) }
          return locate(reveal(spec, process.env), whereabouts, {
            env: process.env,
            signal,
            ...(onProgress === undefined ? {} : { onProgress: (progress: Progress) => onProgress(conceal(progress)) })
          })
        },
        catch: (error): SourceProblem => ({
          message: message(error),
          hint: error instanceof FetchProblem ? error.hint : ""
        })
      })
    }

    const resolveSource = Effect.fnUntraced(function* (
      request: SourceRequest,
      step: Step,
      params: unknown,
      conceal: <A>(said: A) => A
    ) {
      const path = yield* pathOf(request.spec, step, params, conceal)
      const read = yield* Effect.try({
        try: () => {
          const files = filesOf(path)
          return { files, digest: digestOfSource(path, files) }
        },
        catch: (error): SourceProblem => ({
          message: `\`${request.spec}\` cannot be read: ${message(error)}`,
          hint: ""
        })
      })
      const head = yield* headOf(request, step, params, path, read.files)
      return { path, digest: read.digest, head } satisfies ResolvedSource
    })

    return Sources.of({
      resolve: (request, step, params, conceal) =>
        Effect.mapError(resolveSource(request, step, params, conceal), conceal)
    })
  })
