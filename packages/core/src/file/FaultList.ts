import type { Fault } from "../Fault.ts"
import type { Path, Place } from "./Document.ts"

/** Collects faults; every phase of decoding goes on with what it has, so that one run tells all of them. */
export interface FaultList {
  readonly list: Array<Fault>
  readonly add: (path: Path, at: "key" | "value", code: string, message: string, hint: string) => void
  /** What stands at `path` is told to be wrong already: its Schema has nothing to add. */
  readonly hole: (path: Path) => void
}

export const startsWith = (path: Path, prefix: Path): boolean =>
  prefix.every((part, i) => String(path[i]) === String(part))

export const makeFaultList = (
  place: (path: Path, at: "key" | "value") => Place,
  first: ReadonlyArray<Fault>
): FaultList => {
  const list: Array<Fault> = [...first]
  const holes: Array<Path> = []
  return {
    list,
    add: (path, at, code, message, hint) => {
      if (code === "wrong_value" && holes.some((hole) => startsWith(path, hole))) return
      list.push({ ...place(path, at), code, message, hint })
    },
    hole: (path) => void holes.push(path)
  }
}
