import { readFileSync } from "node:fs"
import { join } from "node:path"
import { seal, unseal } from "@hone/core/Sealed"
import type { HistoryRow } from "./history.ts"

/** What a checkpoint says of itself: the step, the history so far, and the SHA-256 of each of its other files. */
export interface StateFile {
  readonly version: 1
  /** The folder of checkpoints that it is one of: another training's is no use here. */
  readonly trajectory: string
  readonly optimizer_step: number
  readonly history: ReadonlyArray<HistoryRow>
  readonly weights: string
  readonly optimizer: string
  readonly best: string | null
}

export const stateName = "state.json"

export const sealState = (state: StateFile): string => seal("state", state)

/** Undefined where it is gone, or not what was written. */
export const readStateFile = (folder: string): StateFile | undefined => {
  try {
    return unseal<StateFile>("state", readFileSync(join(folder, stateName), "utf8"))
  } catch {
    return undefined
  }
}

/** The other files of a checkpoint with their SHA-256. */
export const filesOfState = ({ best, optimizer, weights }: StateFile): ReadonlyArray<readonly [string, string]> => [
  ["weights.arrow", weights],
  ["optimizer.arrow", optimizer],
  ...(best === null ? [] : [["best.arrow", best] as const])
]
