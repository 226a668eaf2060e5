import type { Table } from "apache-arrow"
import { placeOf } from "../artifacts/manifest.ts"
import type { Model } from "../artifacts/model.ts"
import { float64s, int32s, strings } from "../arrow/reader.ts"

/** How far validation stands above training, at one evaluation. */
export interface Gap {
  readonly optimizer_step: number
  /** Passes over the training rows done. */
  readonly epoch: number
  /** Mean loss over the training steps since the evaluation before, in nats. */
  readonly train_loss: number
  readonly validation_loss: number
  /** validation - train: grows as a model learns its training rows by heart. */
  readonly gap: number
}

export interface OverfittingGap {
  /** At the evaluation with the lowest loss, whose weights are kept. */
  readonly best: Gap
  /** At the last one. */
  readonly end: Gap
}

/** The gap from a history artifact; undefined where nothing was validated. */
export const overfittingGap = (history: Table): OverfittingGap | undefined => {
  const [steps, parts, losses] = [
    int32s(history, "optimizer_step"),
    strings(history, "part"),
    float64s(history, "loss")
  ]
  const epochs = float64s(history, "epoch")
  const gaps: Array<Gap> = []
  let sum = 0
  let count = 0
  parts.forEach((part, row) => {
    if (part === "train") {
      sum += losses[row]!
      count++
    } else if (count > 0) {
      const train_loss = sum / count
      const validation_loss = losses[row]!
      const gap = validation_loss - train_loss
      gaps.push({ optimizer_step: steps[row]!, epoch: epochs[row]!, train_loss, validation_loss, gap })
      sum = count = 0
    }
  })
  if (gaps.length === 0) return undefined
  const best = gaps.reduce((least, gap) => (gap.validation_loss < least.validation_loss ? gap : least))
  return { best, end: gaps.at(-1)! }
}

export interface Drift {
  /** `embeddings`, `block 0`, ..., `pooler`, `head` */
  readonly part: string
  /** |tuned - base| / |base| over the part's tensors, by L2; null for a part that the base lacks, or has at 0. */
  readonly relative: number | null
}

/** How far each part of a model moved. Parts whose tensors are the same bytes are not read. */
export const driftOf = (base: Model, tuned: Model): ReadonlyArray<Drift> => {
  const before = new Map(base.tensors.map(({ digest, name }) => [plain(name), { digest, name }]))
  const parts = Map.groupBy(tuned.tensors, ({ name }) => partOf(plain(name)))
  return [...parts.entries()]
    .sort(([a], [b]) => partOrder(a) - partOrder(b))
    .map(([part, tensors]) => {
      const known = tensors.flatMap((tensor) => {
        const match = before.get(plain(tensor.name))
        return match === undefined ? [] : [{ tensor, match }]
      })
      if (known.length < tensors.length) return { part, relative: null }
      if (known.every(({ match, tensor }) => match.digest === tensor.digest)) return { part, relative: 0 }
      let moved = 0
      let size = 0
      for (const { match, tensor } of known) {
        const [from, to] = [base.read(match.name), tuned.read(tensor.name)]
        for (let at = 0; at < from.length; at++) {
          moved += (to[at]! - from[at]!) ** 2
          size += from[at]! ** 2
        }
      }
      return { part, relative: size === 0 ? null : Math.sqrt(moved / size) }
    })
}

const plain = (name: string): string => name.replace(/^bert\./, "")

const partOf = (name: string): string => {
  const place = placeOf(name)
  return typeof place === "number" ? `block ${place}` : (place ?? name)
}

const partOrder = (part: string): number => {
  if (part === "embeddings") return -1
  if (part.startsWith("block ")) return Number(part.slice(6))
  return part === "pooler" ? 1e6 : 1e6 + 1
}
