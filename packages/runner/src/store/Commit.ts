import { chmodSync, existsSync, renameSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { OutputArtifact } from "@hone/core/Stage"
import { createDraft, createFile, makeDurableFolder, nameDraft, removeFile, replaceFile, synced } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, makeFolder, recordPath } from "./Folder.ts"
import { isWhole, readRecord, recordText } from "./Records.ts"
import { putOnShelf } from "./Shelf.ts"

/** `drifted`: another result with other content was there first; it stays, and this one is noted beside it. */
export type Committed = { readonly how: "created" | "equal" | "drifted"; readonly record: ActionRecord }

/** A finished attempt: its files lie in `attempt`, written and not synced. */
export interface Finished {
  readonly attempt: string
  readonly record: ActionRecord
  /** `alone`: the result belongs to its run and gets no record. What follows in this run reads its files, and gc takes them. */
  readonly as: "record" | "alone"
}

interface Waiting extends Finished {
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
}

/** So many files wait for the disk at a time: the system has four threads for that. */
const sideBySide = 8

const each = async <A>(items: Iterable<A>, work: (item: A) => Promise<void>): Promise<void> => {
  const queue = [...items]
  let at = 0
  const lane = async () => {
    while (at < queue.length) await work(queue[at++]!)
  }
  await Promise.all(Array.from({ length: Math.min(sideBySide, queue.length) }, lane))
}

const outputsOf = ({ record }: Finished): ReadonlyArray<OutputArtifact> => Object.values(record.outputs)

const sameContent = (a: ActionRecord, b: ActionRecord): boolean =>
  Object.entries(a.outputs).every(([name, output]) => b.outputs[name]?.content === output.content)

/** Sets a damaged file aside, so that nothing takes it for what it was: what made it runs again. */
export const setAside = (folder: StoreFolder, path: string): void => {
  if (existsSync(path)) renameSync(path, join(makeFolder(folder.damaged), `${basename(path)}-${Date.now()}`))
}

/** What becomes of a result whose key has a record already. */
const meetFirst = (folder: StoreFolder, record: ActionRecord): Committed => {
  const first = readRecord(folder, record.key)
  if (first === undefined || !isWhole(folder, first)) {
    replaceFile(recordPath(folder, record.key), recordText(record)) // what was there could not be used
    return { how: "created", record }
  }
  if (sameContent(first, record)) return { how: "equal", record: first }
  createFile(join(makeFolder(folder.drift), `${record.key}-${Date.now()}.json`), recordText(record))
  return { how: "drifted", record: first }
}

/**
 * Keeps the results of finished attempts: blobs first, and the record last and exclusively, so that whoever finds the record finds all of
 * it. While some wait for the disk others gather, and then go together: many results share each wait, and one write of the file system's
 * journal. A failure of one result's files is its own.
 */
export class Commits {
  readonly #folder: StoreFolder
  #waiting: Array<Waiting> = []
  #isBusy = false
  /** Blobs that this process has put in their places. */
  readonly #kept = new Set<string>()

  constructor(folder: StoreFolder) {
    this.#folder = folder
  }

  /** Resolves once a power cut takes nothing of it any more. Rejects with the system's error. */
  commit(finished: Finished): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...finished, resolve, reject })
      if (!this.#isBusy) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#isBusy = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      const failed = await this.#keepBlobs(batch)
      const sound = batch.filter((one) => {
        const error = outputsOf(one)
          .map(({ blob }) => failed.get(blob))
          .find((met) => met !== undefined)
        if (error !== undefined) one.reject(error)
        else if (one.as === "alone") one.resolve({ how: "created", record: one.record })
        return error === undefined && one.as === "record"
      })
      await this.#keepRecords(sound)
    }
    this.#isBusy = false
  }

  /**
   * Moves files under their digests; gives what failed, by blob. What is there already is equal, or is damaged and replaced; only what this
   * process has put there itself stays, if its length is right. All are moved before the first folder is synced: the journal that this
   * writes then holds them all, and the further ones find it written.
   */
  async #keepBlobs(batch: ReadonlyArray<Finished>): Promise<ReadonlyMap<string, unknown>> {
    const failed = new Map<string, unknown>()
    const { further, sources } = this.#filesOf(batch)
    await each(sources, async ([blob, source]) => {
      await synced(source).catch((error: unknown) => void failed.set(blob, error))
    })
    const shards = new Map<string, Array<string>>()
    for (const [blob, source] of sources) {
      if (failed.has(blob)) continue
      try {
        const path = blobPath(this.#folder, blob)
        const shard = dirname(path)
        if (!shards.has(shard)) shards.set(makeDurableFolder(shard), [])
        chmodSync(source, 0o444)
        renameSync(source, path)
        shards.get(shard)!.push(blob)
      } catch (error) {
        failed.set(blob, error)
      }
    }
    await each(shards, async ([shard, blobs]) => {
      try {
        await synced(shard)
        for (const blob of blobs) this.#kept.add(blob)
      } catch (error) {
        for (const blob of blobs) failed.set(blob, error)
      }
    })
    for (const file of further) removeFile(file)
    return failed
  }

  /** The files that have to be kept, one for each blob, and those that hold the same again. */
  #filesOf(batch: ReadonlyArray<Finished>) {
    const sources = new Map<string, string>()
    const further: Array<string> = []
    for (const one of batch) {
      for (const { blob, bytes, file } of outputsOf(one)) {
        const isThere = this.#kept.has(blob) && sizeOf(blobPath(this.#folder, blob)) === bytes
        if (isThere || sources.has(blob)) further.push(join(one.attempt, file))
        else sources.set(blob, join(one.attempt, file))
      }
    }
    return { sources, further }
  }

  /** Drafts of all, then their names, then the folder that has the names. */
  async #keepRecords(batch: ReadonlyArray<Waiting>): Promise<void> {
    const folder = this.#folder
    const drafted: Array<{ readonly one: Waiting; readonly draft: string }> = []
    await each(batch, (one) =>
      rejecting(one, async () => {
        makeDurableFolder(folder.ac)
        drafted.push({ one, draft: await createDraft(recordPath(folder, one.record.key), recordText(one.record)) })
      })
    )
    const created: Array<Waiting> = []
    for (const { draft, one } of drafted) {
      await rejecting(one, () => {
        if (nameDraft(draft, recordPath(folder, one.record.key)) === "created") created.push(one)
        else one.resolve(meetFirst(folder, one.record))
      })
    }
    if (created.length === 0) return
    const failure = await synced(folder.ac).catch((error: unknown) => ({ error }))
    for (const one of created) {
      await rejecting(one, () => {
        if (failure !== undefined) throw failure.error
        putOnShelf(folder, one.record)
        one.resolve({ how: "created", record: one.record })
      })
    }
  }
}

const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size

/** What goes wrong with one result does not stop the others. */
const rejecting = async ({ reject }: Waiting, work: () => Promise<void> | void): Promise<void> => {
  try {
    await work()
  } catch (error) {
    reject(error)
  }
}
