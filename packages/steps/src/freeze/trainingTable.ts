import type { Json } from "@hone/core/Json"
import {
  blocksOf,
  elements,
  isTrainable,
  type ModelManifest,
  type Place,
  placeOf,
  type TensorEntry
} from "../artifacts/manifest.ts"

interface Part {
  readonly part: string
  readonly parameters: number
  readonly trains: boolean
}

const partName = (place: Place | undefined): string =>
  typeof place === "number" ? `block ${place}` : (place ?? "other")

/** The parts in the order in which a row passes them. */
const partNames = (manifest: ModelManifest): ReadonlyArray<string> => [
  "embeddings",
  ...Array.from({ length: blocksOf(manifest) }, (_, block) => `block ${block}`),
  "pooler",
  "head",
  "pretraining"
]

const partsOf = (manifest: ModelManifest, tensors: ReadonlyArray<TensorEntry>): ReadonlyArray<Part> =>
  partNames(manifest).flatMap((part) => {
    const own = tensors.filter(({ name }) => partName(placeOf(name)) === part)
    if (own.length === 0) return []
    const parameters = own.reduce((total, { shape }) => total + elements(shape), 0)
    // A pooler trains only under a head that reads it, and the head is train's to choose: "pooler" tells that it may.
    const trains = own.some(({ name }) => isTrainable(manifest, "pooler", name))
    return [{ part, parameters, trains }]
  })

const thousands = (count: number): string => count.toLocaleString("en-US").replaceAll(",", " ")

const noteOf = ({ part, trains }: Part): string => {
  if (part === "pooler") return "trains if the head reads it (pooling: pooler)"
  if (part === "pretraining") return "trains under objective: mlm, and is left behind by a classifier"
  return trains ? "trains" : "frozen"
}

/** What trains, part by part: lines for a person, and counts for the record. */
export const trainingTable = (
  manifest: ModelManifest,
  tensors: ReadonlyArray<TensorEntry>
): { readonly lines: ReadonlyArray<string>; readonly counts: Readonly<Record<string, Json>> } => {
  const parts = partsOf(manifest, tensors)
  const row = (part: string, parameters: string, note: string) =>
    `${part.padEnd(12)}${parameters.padStart(12)}  ${note}`
  const certain = parts.filter(({ part, trains }) => trains && part !== "pooler")
  const trainable = certain.reduce((total, { parameters }) => total + parameters, 0)
  const all = parts.reduce((total, { parameters }) => total + parameters, 0)
  const hasHead = parts.some(({ part }) => part === "head")
  const lines = [
    row("part", "parameters", ""),
    ...parts.map((part) => row(part.part, thousands(part.parameters), noteOf(part))),
    ...(hasHead ? [] : [row("head", "?", "added by train, which knows the labels; trains")]),
    row("in all", thousands(all), `${thousands(trainable)} train`)
  ]
  return {
    lines,
    counts: { parameters: all, trainable_parameters: trainable, parts: parts.map((part) => ({ ...part })) }
  }
}
