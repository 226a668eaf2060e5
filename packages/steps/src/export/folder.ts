import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact } from "@hone/core/Stage"
import { binary, utf8 } from "../arrow/columns.ts"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import { TableWriter } from "../arrow/writer.ts"
import type { FolderFile } from "./files.ts"

/** Bytes in one row at most. An Arrow column of one batch holds 2 GiB, and a model may be larger. */
const PIECE_BYTES = 32 << 20

/**
 * Writes a folder artifact: `file` utf8 and `bytes` binary, a row for each piece of a file. The pieces of one file stand one behind
 * the other and make it when joined. One piece is in memory at a time.
 */
export const writeFolder = (
  place: { readonly folder: string; readonly file: string },
  files: ReadonlyArray<FolderFile>,
  facts: JsonObject
): OutputArtifact => {
  const writer = new TableWriter(place.folder, place.file)
  try {
    for (const { name, pieces } of files) {
      for (const piece of pieces()) {
        for (const part of parts(piece)) writer.write({ file: utf8([name]), bytes: binary([part]) })
      }
    }
    return writer.finish({ facts: { ...facts, files: files.map(({ name }) => name) } })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

function* parts(piece: Uint8Array): Generator<Uint8Array> {
  if (piece.byteLength === 0) yield piece
  for (let at = 0; at < piece.byteLength; at += PIECE_BYTES) yield piece.subarray(at, at + PIECE_BYTES)
}

/** The files of a folder artifact, as views of its bytes. Fails as `readTable` does. */
export const readFolder = (artifact: { readonly path: string; readonly blob: string }): ReadonlyArray<FolderFile> => {
  const table = readTable(artifact)
  const bytes = binaries(table, "bytes")
  const pieces = Map.groupBy(strings(table, "file").entries(), ([, name]) => name)
  return [...pieces].map(([name, rows]) => ({ name, pieces: () => rows.map(([row]) => bytes[row]!) }))
}
