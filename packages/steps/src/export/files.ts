/** A file of a folder to be: `pieces` gives its bytes in order and may be asked more than once. Never held whole in memory. */
export interface FolderFile {
  /** A plain name, without any folder in it. */
  readonly name: string
  readonly pieces: () => Iterable<Uint8Array>
}

const encoder = new TextEncoder()

export const textFile = (name: string, text: string): FolderFile => ({ name, pieces: () => [encoder.encode(text)] })

export const bytesFile = (name: string, bytes: Uint8Array): FolderFile => ({ name, pieces: () => [bytes] })

/** JSON as Hugging Face's own files have it: sorted keys, two spaces, a line end. */
export const jsonFile = (name: string, value: Readonly<Record<string, unknown>>): FolderFile =>
  textFile(name, `${JSON.stringify(sorted(value), null, 2)}\n`)

/** Keys of the outermost object alone: the order within (`id2label`) means something to a reader. */
const sorted = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
