import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml"
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

interface Positions {
  readonly place: (from: number, to: number) => Place
  readonly fault: (at: Place, message: string, hint: string) => Fault
}

const positionsIn = (file: string, text: string, counter: LineCounter): Positions => ({
  place: (from, to) => {
    const { col, line } = counter.linePos(from)
    const end = text.indexOf("\n", from)
    return { file, line, column: col, length: Math.max(1, Math.min(to, end === -1 ? text.length : end) - from) }
  },
  fault: (at, message, hint) => ({ ...at, code: "yaml", message, hint })
})

/** What the reader itself refuses or warns of. */
const readingFaults = (doc: Document, { fault, place }: Positions): ReadonlyArray<Fault> => {
  const errors = doc.errors.map((error) => {
    const at = place(error.pos[0], error.pos[1])
    // The reader recurses: a file nested thousands deep exhausts its stack.
    if (error.message.includes("call stack")) return fault(at, "nested too deeply to be read", "flatten it")
    return fault(at, `not valid YAML: ${error.message}`, yamlHints[error.code] ?? "")
  })
  const tags = doc.warnings
    .filter((warning) => warning.code === "TAG_RESOLVE_FAILED")
    .map((warning) =>
      fault(place(warning.pos[0], warning.pos[1]), `not valid YAML here: ${warning.message}`, "remove the tag")
    )
  return [...errors, ...tags]
}

/** Aliases below their own anchor: the reader lets them through, and their value has no end. */
const selfAliases = (doc: Document, { fault, place }: Positions): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  visit(doc, {
    Alias: (_, alias, path) => {
      const [from, to] = alias.range ?? [0, 1]
      const target = path.find((node) => isNode(node) && "anchor" in node && node.anchor === alias.source)
      if (target === undefined) return
      const message = `\`*${alias.source}\` stands inside the anchor that it names`
      faults.push(fault(place(from, to), message, "write the value there, or move the anchor"))
    }
  })
  return faults
}

/** The place of the last alias: where a file that multiplies itself does it most. */
const lastAlias = (doc: Document, { place }: Positions): Place => {
  let range: readonly [number, number] = [0, 1]
  visit(doc, { Alias: (_, alias) => void (range = alias.range ? [alias.range[0], alias.range[1]] : range) })
  return place(range[0], range[1])
}

/** Reads YAML 1.2 core with merge keys. Faults: everything that the reader refuses, and what it should. */
export const parseText = (
  file: string,
  text: string
): { document?: PipelineDocument; faults: ReadonlyArray<Fault> } => {
  const counter = new LineCounter()
  const positions = positionsIn(file, text, counter)
  const { fault, place } = positions
  let doc: Document
  let value: Json
  try {
    doc = parseDocument(text, { lineCounter: counter, merge: true, version: "1.2", prettyErrors: false })
    const faults = [...readingFaults(doc, positions), ...selfAliases(doc, positions)]
    if (faults.length > 0) return { faults }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { faults: [fault({ file, line: 1, column: 1, length: 1 }, "nested too deeply to be read", "flatten it")] }
  }
  try {
    value = (doc.toJS({ maxAliasCount: 100 }) ?? null) as Json
  } catch (error) {
    const message = (error as Error).message.includes("alias")
      ? "the aliases multiply beyond what a pipeline can mean"
      : `not valid YAML: ${(error as Error).message}`
    return { faults: [fault(lastAlias(doc, positions), message, "write fewer aliases of aliases")] }
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
