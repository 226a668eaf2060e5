import type { Fault } from "../Fault.ts"
import { isRecord, type Json } from "../Json.ts"
import type { Path, PipelineDocument, Place } from "./Document.ts"
import { parseText } from "./Document.ts"

/** A file with its text, or why it could not be read. */
export type FileText = { readonly file: string; readonly text: string } | { readonly problem: string }

/** Finds the text of an included file; `from` is the file that includes it. */
export type ReadInclude = (spec: string, from: string) => FileText

/** A pipeline file and what it includes, put together: one value, and the document behind each of its parts. */
export interface Assembled {
  readonly value: Json
  readonly root: PipelineDocument
  /** The document in which `path` stands. */
  readonly documentOf: (path: Path) => PipelineDocument
  /** Every text read, by file. */
  readonly texts: Readonly<Record<string, string>>
  readonly faults: ReadonlyArray<Fault>
}

const parts = ["params", "steps"] as const

const specsOf = (value: Json): ReadonlyArray<readonly [Path, string]> => {
  const include = isRecord(value) ? value["include"] : undefined
  if (typeof include === "string") return [[["include"], include]]
  if (!Array.isArray(include)) return []
  return include.flatMap((spec: Json, i) => (typeof spec === "string" ? [[["include", i], spec] as const] : []))
}

/**
 * Reads `include:` depth first. Included files give `params` and `steps`; a param of the including file goes before one of the same
 * name that it includes, a step of one name in two files is a fault in both languages: no silent override.
 */
export const assemble = (root: PipelineDocument, read: ReadInclude): Assembled => {
  const faults: Array<Fault> = []
  const texts: Record<string, string> = { [root.file]: root.text }
  const origins = new Map<string, PipelineDocument>()
  const merged: Record<string, Record<string, Json>> = { params: {}, steps: {} }
  const add = (at: Place, code: string, message: string, hint: string) => faults.push({ ...at, code, message, hint })

  const takeParts = (document: PipelineDocument, value: Json): void => {
    for (const part of parts) {
      const block = isRecord(value) ? value[part] : undefined
      if (!isRecord(block)) continue
      for (const [name, item] of Object.entries(block)) {
        const other = origins.get(`${part}.${name}`)
        if (other !== undefined && part === "steps") {
          const hint = `it stands in ${other.file}:${other.placeOfKey([part, name]).line} too: rename one of them`
          add(document.placeOfKey([part, name]), "duplicate_step", `two steps are called \`${name}\``, hint)
        }
        if (other !== undefined) continue
        origins.set(`${part}.${name}`, document)
        merged[part]![name] = item
      }
    }
  }

  const visit = (document: PipelineDocument, trail: ReadonlyArray<string>): void => {
    takeParts(document, document.value)
    for (const [path, spec] of specsOf(document.value)) {
      const found = read(spec, document.file)
      if ("problem" in found) {
        add(
          document.placeOf(path),
          "include",
          `\`${spec}\` cannot be included: ${found.problem}`,
          "paths count from the file that includes"
        )
        continue
      }
      if (trail.includes(found.file)) {
        const circle = [...trail.slice(trail.indexOf(found.file)), found.file].join(" -> ")
        add(
          document.placeOf(path),
          "include",
          `the files include each other in a circle: ${circle}`,
          "cut one of these includes"
        )
        continue
      }
      const parsed = parseText(found.file, found.text)
      texts[found.file] = found.text
      faults.push(...parsed.faults)
      if (parsed.document === undefined) continue
      refuseForeignKeys(parsed.document, add)
      visit(parsed.document, [...trail, found.file])
    }
  }
  visit(root, [root.file])

  const own = isRecord(root.value) ? root.value : undefined
  const included = specsOf(root.value).length > 0
  const value: Json =
    own === undefined || !included
      ? root.value
      : {
          ...own,
          ...(Object.keys(merged["params"]!).length > 0 ? { params: merged["params"]! } : {}),
          steps: merged["steps"]!
        }
  return {
    value,
    root,
    documentOf: (path) => (path.length >= 2 ? (origins.get(`${String(path[0])}.${String(path[1])}`) ?? root) : root),
    texts,
    faults
  }
}

const refuseForeignKeys = (
  document: PipelineDocument,
  add: (at: Place, code: string, message: string, hint: string) => void
): void => {
  if (!isRecord(document.value)) {
    add(document.placeOf([]), "include", "an included file is a map", "it may hold params, steps and include")
    return
  }
  for (const key of Object.keys(document.value)) {
    if (key === "params" || key === "steps" || key === "include") continue
    add(
      document.placeOfKey([key]),
      "include",
      `\`${key}\` has no meaning in an included file`,
      "it may hold params, steps and include"
    )
  }
}
