import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fingerprint } from "@hone/core/Canonical"
import { readSealed, replaceFile } from "./Files.ts"
import { seal } from "@hone/core/Sealed"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"

/** Results that `gc` leaves whatever their pipeline has become: those of a step, and of all that it was made from. */
export interface Pin {
  /** Relative to the folder that holds `.hone`. */
  readonly file: string
  /** Absent: the whole pipeline. */
  readonly step?: string
  readonly sets: ReadonlyArray<string>
  readonly keys: ReadonlyArray<string>
  /** ISO 8601, UTC. */
  readonly pinned_at: string
}

/** Pins the same keys of the same step once. */
export const writePin = (folder: StoreFolder, pin: Pin): void => {
  const id = fingerprint("hone-pin/1", [pin.file, pin.step ?? null, [...pin.keys].sort()]).slice(0, 24)
  replaceFile(join(makeFolder(folder.pins), `${id}.json`), seal("pin", pin))
}

export interface StoredPin {
  readonly path: string
  /** Undefined where its checksum does not hold. */
  readonly pin: Pin | undefined
}

export const readPins = (folder: StoreFolder): ReadonlyArray<StoredPin> => {
  let names: ReadonlyArray<string>
  try {
    names = readdirSync(folder.pins)
  } catch {
    return []
  }
  return names
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => {
      const path = join(folder.pins, name)
      return { path, pin: readSealed<Pin>("pin", path) }
    })
}

/** Removes the pins of a file, or of one step of it; says how many there were. */
export const removePins = (folder: StoreFolder, file: string, step: string | undefined): number => {
  const found = readPins(folder).filter(({ pin }) => pin?.file === file && (step === undefined || pin.step === step))
  for (const { path } of found) rmSync(path)
  return found.length
}
