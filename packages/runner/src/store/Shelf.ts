import { existsSync, linkSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { shelfOf } from "@hone/core/plan/Key"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder, recordPath } from "./Folder.ts"
import { allRecords, namesIn } from "./Scan.ts"

/**
 * A view of `ac` by kind: `.hone/shelves/<kind>/<shelf>-<key>`, each a hard link to the record, since a link costs a tenth of a new file.
 * The names say which records differ in input digests alone (a `maybe` looks for them), the folders which are of one kind.
 */
const kindFolder = (folder: StoreFolder, kind: string) => join(folder.shelves, encodeURIComponent(kind))

const entryPath = (folder: StoreFolder, record: ActionRecord) =>
  join(kindFolder(folder, record.preimage.step.kind), `${shelfOf(record.preimage)}-${record.key}`)

const link = (folder: StoreFolder, record: ActionRecord): "there" | "no_folder" => {
  try {
    linkSync(recordPath(folder, record.key), entryPath(folder, record))
    return "there"
  } catch (error) {
    // Another process that rebuilds the view may be first, and a file system may know no links: neither is a failure of the result.
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "no_folder" : "there"
  }
}

/** Puts a record that is in place on its shelf. A store that cannot link loses only what `maybe` knows. */
export const putOnShelf = (folder: StoreFolder, record: ActionRecord): void => {
  if (link(folder, record) === "there") return
  makeFolder(kindFolder(folder, record.preimage.step.kind))
  link(folder, record)
}

export const takeFromShelf = (folder: StoreFolder, record: ActionRecord): void =>
  rmSync(entryPath(folder, record), { force: true })

/** What is on a shelf although its record is gone: gc takes from the shelf first. */
export const strandedEntries = (
  folder: StoreFolder
): ReadonlyArray<{ readonly path: string; readonly kind: string; readonly key: string }> =>
  namesIn(folder.shelves).flatMap((kind) =>
    namesIn(join(folder.shelves, kind)).flatMap((name) => {
      const key = name.split("-")[1] ?? ""
      return existsSync(recordPath(folder, key))
        ? []
        : [{ path: join(folder.shelves, kind, name), kind: decodeURIComponent(kind), key }]
    })
  )

/** Puts every record on its shelf, where the view is gone or never was. */
const rebuild = (folder: StoreFolder): void => {
  if (existsSync(folder.shelves) || !existsSync(folder.ac)) return
  makeFolder(folder.shelves)
  for (const record of allRecords(folder)) putOnShelf(folder, record)
}

interface Listing {
  readonly changed: bigint
  readonly keys: ReadonlyArray<string>
  readonly byShelf: ReadonlyMap<string, ReadonlyArray<string>>
}

const list = (path: string, changed: bigint): Listing => {
  const byShelf = new Map<string, Array<string>>()
  const keys: Array<string> = []
  for (const name of readdirSync(path)) {
    const [shelf = "", key = ""] = name.split("-")
    keys.push(key)
    const known = byShelf.get(shelf)
    if (known === undefined) byShelf.set(shelf, [key])
    else known.push(key)
  }
  return { changed, keys, byShelf }
}

const nothing: Listing = { changed: 0n, keys: [], byShelf: new Map() }

/** Keys of records by kind, and by kind and shelf. A folder is listed again only when it has changed: a plan asks thousands of times. */
export const openShelves = (folder: StoreFolder) => {
  const known = new Map<string, Listing>()
  let isThere = false
  const listing = (kind: string): Listing => {
    if (!isThere) rebuild(folder)
    isThere = true
    const path = kindFolder(folder, kind)
    const changed = statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs
    if (changed === undefined) return nothing
    const before = known.get(kind)
    if (before?.changed === changed) return before
    const now = list(path, changed)
    known.set(kind, now)
    return now
  }
  return {
    keysOfKind: (kind: string): ReadonlyArray<string> => listing(kind).keys,
    keysOn: (kind: string, shelf: string): ReadonlyArray<string> => listing(kind).byShelf.get(shelf) ?? []
  }
}
