// Reads single files out of a zip archive (a Python wheel is one) without unpacking the rest.
// Source: PKWARE APPNOTE 6.3.9, sections 4.3.6 to 4.3.16 and 4.4.
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync
} from "node:fs"
import { dirname } from "node:path"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createInflateRaw } from "node:zlib"

const endOfDirectory = 0x06054b50
const directoryEntry = 0x02014b50
const localHeader = 0x04034b50
const endSize = 22
const longestComment = 0xffff

/** The archive is cut short, is no zip, or uses something that wheels do not. */
class ZipError extends Error {
  constructor(file, problem) {
    super(`${file}: ${problem}`)
    this.name = "ZipError"
  }
}

/**
 * The archive's table of contents.
 *
 * @returns entries `{ name, method, compressed, size, offset }`, sizes in bytes, `offset` that of the local header
 */
export function readEntries(file) {
  const fd = openSync(file, "r")
  try {
    const { count, bytes } = readDirectory(file, fd)
    const entries = []
    for (let at = 0, n = 0; n < count; n++) {
      if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== directoryEntry) {
        throw new ZipError(file, `entry ${n + 1} of ${count} in its table of contents is damaged`)
      }
      const nameLength = bytes.readUInt16LE(at + 28)
      entries.push({
        name: bytes.toString("utf8", at + 46, at + 46 + nameLength),
        method: bytes.readUInt16LE(at + 10),
        compressed: bytes.readUInt32LE(at + 20),
        size: bytes.readUInt32LE(at + 24),
        offset: bytes.readUInt32LE(at + 42)
      })
      at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    }
    return entries
  } finally {
    closeSync(fd)
  }
}

function readDirectory(file, fd) {
  const length = fstatSync(fd).size
  const tail = readAt(fd, Math.max(0, length - endSize - longestComment), Math.min(length, endSize + longestComment))
  const end = findEnd(tail)
  if (end < 0) throw new ZipError(file, "not a whole zip archive: its table of contents is missing")
  const count = tail.readUInt16LE(end + 10)
  const size = tail.readUInt32LE(end + 12)
  const offset = tail.readUInt32LE(end + 16)
  if (count === 0xffff || offset === 0xffffffff) throw new ZipError(file, "zip64 archives are not read")
  if (offset + size > length)
    throw new ZipError(file, "not a whole zip archive: its table of contents lies past its end")
  return { count, bytes: readAt(fd, offset, size) }
}

function findEnd(tail) {
  for (let at = tail.length - endSize; at >= 0; at--) if (tail.readUInt32LE(at) === endOfDirectory) return at
  return -1
}

function readAt(fd, position, length) {
  const bytes = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const n = readSync(fd, bytes, done, length - done, position + done)
    if (n === 0) return bytes.subarray(0, done)
    done += n
  }
  return bytes
}

/**
 * Writes one entry to `target`, flushed to disk. Fails unless as many bytes come out as the archive announces.
 *
 * @param onBytes called with the number of bytes written by each chunk
 */
export async function extractEntry(file, entry, target, onBytes = () => {}) {
  if (entry.method !== 0 && entry.method !== 8) {
    throw new ZipError(file, `${entry.name} is compressed by method ${entry.method}; stored and deflate are read`)
  }
  const start = dataOffset(file, entry)
  mkdirSync(dirname(target), { recursive: true })
  let written = 0
  const count = new Transform({
    transform(chunk, _encoding, done) {
      written += chunk.length
      onBytes(chunk.length)
      done(null, chunk)
    }
  })
  const source =
    entry.compressed === 0
      ? []
      : createReadStream(file, { start, end: start + entry.compressed - 1, highWaterMark: 1 << 20 })
  const inflate = entry.method === 8 ? [createInflateRaw({ chunkSize: 1 << 20 })] : []
  await pipeline(source, ...inflate, count, createWriteStream(target))
  if (written !== entry.size) {
    throw new ZipError(file, `${entry.name} unpacks to ${written} bytes and not to ${entry.size}`)
  }
  flush(target)
}

function dataOffset(file, entry) {
  const fd = openSync(file, "r")
  try {
    const header = readAt(fd, entry.offset, 30)
    if (header.length < 30 || header.readUInt32LE(0) !== localHeader) {
      throw new ZipError(file, `${entry.name} has no header where the table of contents says`)
    }
    // The local header's name and extra field may differ in length from the directory's.
    return entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  } finally {
    closeSync(fd)
  }
}

function flush(target) {
  const fd = openSync(target, "r+")
  fsyncSync(fd)
  closeSync(fd)
}
