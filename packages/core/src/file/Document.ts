import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml"
import type { Document, Node, Pair } from "yaml"
import type { Fault } from "../Fault.ts"
import type { Json } from "../Json.ts"

export type Path = ReadonlyArray<string | number>

export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly length: number
}

/** A pipeline file as written: its value, and where each part of it stands. */
export interface PipelineDocument {
  readonly file: string
  readonly text: string
  readonly value: Json
  /** The place of the value at `path`, or of its nearest parent that exists. */
  readonly placeOf: (path: Path) => Place
  /** The place of the key at the end of `path`. */
  readonly placeOfKey: (path: Path) => Place
}

const yamlHints: Record<string, string> = {
  DUPLICATE_KEY: "each key may stand once: rename or remove one of them",
  TAB_AS_INDENT: "indent with spaces: YAML forbids tabs",
  BAD_INDENT: "line it up with its neighbours",
  BAD_ALIAS: "an alias `*name` needs an anchor `&name` before it"
}

const keyIs = (pair: Pair, key: string | number) => isScalar(pair.key) && String(pair.key.value) === String(key)

type Located = { readonly node: Node | null; readonly keyRange: readonly [number, number] | undefined }

const find = (doc: Document, path: Path): Located => {
  let node = doc.contents as Node | null
  let keyRange: readonly [number, number] | undefined
  for (const key of path) {
    if (isAlias(node)) node = (node.resolve(doc) as Node | undefined) ?? node
    if (isMap(node)) {
      const pair = node.items.find((item) => keyIs(item as Pair, key)) as Pair | undefined
      if (pair === undefined) return { node: keyRange === undefined ? node : null, keyRange }
      const range = (pair.key as Node).range
      keyRange = range ? [range[0], range[1]] : undefined
      node = pair.value as Node | null
    } else if (isSeq(node)) {
      const item = node.items[Number(key)] as Node | undefined
      if (item === undefined) break
      keyRange = item.range ? [item.range[0], item.range[1]] : undefined
      node = item
    } else break
  }
  return { node, keyRange }
}

/** Reads YAML 1.2 core with merge keys. Faults: everything that the reader refuses. */
export const parseText = (
  file: string,
  text: string
): { document?: PipelineDocument; faults: ReadonlyArray<Fault> } => {
  const counter = new LineCounter()
  const doc = parseDocument(text, { lineCounter: counter, merge: true, version: "1.2", prettyErrors: false })
  const place = (from: number, to: number): Place => {
    const { col, line } = counter.linePos(from)
    const end = text.indexOf("\n", from)
    return { file, line, column: col, length: Math.max(1, Math.min(to, end === -1 ? text.length : end) - from) }
  }
  const fault = (code: string, at: Place, message: string, hint: string): Fault => ({ ...at, code, message, hint })
  if (doc.errors.length > 0) {
    return {
      faults: doc.errors.map((error) =>
        fault(
          "yaml",
          place(error.pos[0], error.pos[1]),
          `not valid YAML: ${error.message}`,
          yamlHints[error.code] ?? ""
        )
      )
    }
  }
  const unknownTag = doc.warnings.find((warning) => warning.code === "TAG_RESOLVE_FAILED")
  if (unknownTag !== undefined) {
    const at = place(unknownTag.pos[0], unknownTag.pos[1])
    return { faults: [fault("yaml", at, `not valid YAML here: ${unknownTag.message}`, "remove the tag")] }
  }
  let value: Json
  try {
    value = (doc.toJS({ maxAliasCount: 100 }) ?? null) as Json
  } catch (error) {
    return { faults: [fault("yaml", place(0, 1), `not valid YAML: ${String((error as Error).message)}`, "")] }
  }
  const document: PipelineDocument = {
    file,
    text,
    value,
    placeOf: (path) => {
      const { keyRange, node } = find(doc, path)
      const range = node?.range ?? keyRange ?? [0, 1]
      const empty = node?.range && node.range[0] === node.range[1] && keyRange !== undefined
      return empty ? place(keyRange[0], keyRange[1]) : place(range[0], range[1])
    },
    placeOfKey: (path) => {
      const { keyRange, node } = find(doc, path)
      const range = keyRange ?? node?.range ?? [0, 1]
      return place(range[0], range[1])
    }
  }
  return { document, faults: [] }
}
