import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { binary, utf8 } from "../arrow/columns.ts"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import { TableWriter } from "../arrow/writer.ts"
import { readStateFile, sealState, stateName, type StateFile } from "./checkpointState.ts"
import type { HistoryRow } from "./history.ts"

/** Everything that a training hangs on between two optimizer steps. Orders and dropout are functions of the step: no generator. */
export interface TrainingState {
  readonly optimizer_step: number
  readonly history: ReadonlyArray<HistoryRow>
  /** The tensors that train, by name. */
  readonly weights: ReadonlyMap<string, Float32Array>
  /** AdamW's moments, and the averages of the weights where they are kept, by their names. */
  readonly optimizer: ReadonlyMap<string, Float32Array>
  /** The weights of the best evaluation so far; null before the first. */
  readonly best: ReadonlyMap<string, Float32Array> | null
}

const folderName = (step: number): string => `step-${String(step).padStart(9, "0")}`

/** The steps that have a checkpoint, ascending. A folder that is still being written has another name. */
const stepsIn = (folder: string): ReadonlyArray<number> =>
  existsSync(folder)
    ? readdirSync(folder)
        .flatMap((name) => /^step-(\d{9})$/.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b)
    : []

/**
 * Writes a checkpoint: beside, waited for on the disk, then renamed, so that a kill at any instant leaves the one before or this
 * one. Checkpoints of earlier steps are then removed.
 */
export const writeCheckpoint = (folder: string, state: TrainingState): void => {
  mkdirSync(folder, { recursive: true })
  const beside = join(folder, `.writing-${process.pid}`)
  removeUnfinished(folder)
  mkdirSync(beside)
  const weights = writeTensors(beside, "weights.arrow", state.weights)
  const optimizer = writeTensors(beside, "optimizer.arrow", state.optimizer)
  const best = writeBest(beside, state, weights)
  const file: StateFile = {
    version: 1,
    trajectory: basename(folder),
    optimizer_step: state.optimizer_step,
    history: state.history,
    weights,
    optimizer,
    best
  }
  writeFileSync(join(beside, stateName), sealState(file))
  sync(join(beside, stateName))
  sync(beside)
  const target = join(folder, folderName(state.optimizer_step))
  rmSync(target, { recursive: true, force: true })
  renameSync(beside, target)
  sync(folder)
  for (const step of stepsIn(folder)) {
    if (step < state.optimizer_step) rmSync(join(folder, folderName(step)), { recursive: true, force: true })
  }
}

/** Removes what killed processes, and an earlier attempt of this one, left half written. */
const removeUnfinished = (folder: string): void => {
  for (const name of readdirSync(folder)) {
    const writer = /^\.writing-(\d+)$/.exec(name)?.[1]
    if (writer !== undefined && !isOther(Number(writer))) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

/** Whether a process of this number is alive and not this one. */
const isOther = (pid: number): boolean => {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/**
 * The latest whole checkpoint at or before `last`; undefined where there is none. One whose bytes are damaged is passed over, and
 * `onDamage` is told its folder.
 */
export const readCheckpoint = (
  folder: string,
  last: number,
  onDamage: (folder: string) => void = () => {}
): TrainingState | undefined => {
  for (const step of stepsIn(folder)
    .filter((step) => step <= last)
    .reverse()) {
    const place = join(folder, folderName(step))
    const state = readState(place)
    if (state !== undefined) return state
    onDamage(place)
  }
  return undefined
}

const readState = (folder: string): TrainingState | undefined => {
  const file = readStateFile(folder)
  if (file?.trajectory !== basename(dirname(folder)) || folderName(file.optimizer_step) !== basename(folder))
    return undefined
  try {
    return {
      optimizer_step: file.optimizer_step,
      history: file.history,
      weights: readTensors(folder, "weights.arrow", file.weights),
      optimizer: readTensors(folder, "optimizer.arrow", file.optimizer),
      best: file.best === null ? null : readTensors(folder, "best.arrow", file.best)
    }
  } catch {
    return undefined
  }
}

/** The best weights are mostly those of this very step, and then are the same file. */
const writeBest = (folder: string, { best, weights }: TrainingState, blob: string): string | null => {
  if (best === null) return null
  if (best !== weights) return writeTensors(folder, "best.arrow", best)
  try {
    linkSync(join(folder, "weights.arrow"), join(folder, "best.arrow"))
  } catch {
    copyFileSync(join(folder, "weights.arrow"), join(folder, "best.arrow"))
    sync(join(folder, "best.arrow"))
  }
  return blob
}

const writeTensors = (folder: string, file: string, tensors: ReadonlyMap<string, Float32Array>): string => {
  const writer = new TableWriter(folder, file)
  for (const [name, values] of tensors) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    writer.write({ name: utf8([name]), bytes: binary([bytes]) })
  }
  return writer.finish().blob
}

const readTensors = (folder: string, file: string, blob: string): Map<string, Float32Array> => {
  const table = readTable({ path: join(folder, file), blob })
  const bytes = binaries(table, "bytes")
  return new Map(strings(table, "name").map((name, row) => [name, new Float32Array(bytes[row]!.slice().buffer)]))
}

const sync = (path: string): void => {
  const fd = openSync(path, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
