import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { OutputArtifact } from "@hone/core/Stage"

/** Where two results of one key first differ. */
export interface Difference {
  readonly output: string
  readonly column: string
  /** -1 where the columns themselves differ, or only the metadata. */
  readonly row: number
  readonly first: string
  readonly second: string
  /** Largest |a - b| / max(1, |a|) over all numbers; null where none can be compared. */
  readonly relative: number | null
}

type Outputs = Readonly<Record<string, OutputArtifact>>

/**
 * The first output whose content is another, and where its tables first differ; undefined where all is the same. Paths are asked for,
 * since one of the two may lie in an attempt. Loads Arrow, which only a drift needs.
 */
export const differenceOf = async (
  first: Outputs,
  second: Outputs,
  pathOf: { readonly first: (output: OutputArtifact) => string; readonly second: (output: OutputArtifact) => string }
): Promise<Difference | undefined> => {
  for (const [output, made] of Object.entries(second)) {
    const known = first[output]
    if (known === undefined || known.content === made.content) continue
    const { readTable } = await import("@hone/steps/arrow/reader")
    const { firstDifference } = await import("@hone/steps/arrow/difference")
    const found = firstDifference(
      readTable({ path: pathOf.first(known), blob: known.blob }),
      readTable({ path: pathOf.second(made), blob: made.blob })
    )
    const digests = {
      column: "(metadata)",
      row: -1,
      first: known.content.slice(0, 12),
      second: made.content.slice(0, 12)
    }
    return { output, ...(found ?? digests), relative: found?.relative ?? null }
  }
  return undefined
}

/** `rows: column score, row 3: 0.25 in the store, 0.5 now; numbers differ by up to 1.0e-2`. */
export const tellDifference = ({ column, first, output, relative, row, second }: Difference): string => {
  const where = row < 0 ? `column ${column}` : `column ${column}, row ${row}`
  const far = relative === null || relative === 0 ? "" : `; numbers differ by up to ${relative.toExponential(1)}`
  return `${output}: ${where}: ${first} in the store, ${second} now${far}`
}

/** What a run says of a result that is not the one in the store. */
export const tellDrift = async (
  first: ActionRecord,
  second: ActionRecord,
  pathOf: (output: OutputArtifact) => string
): Promise<string> => {
  const said = "the same inputs gave another result than the one in the store: the first stays"
  const noted = "the second is noted in .hone/drift"
  try {
    const difference = await differenceOf(first.outputs, second.outputs, { first: pathOf, second: pathOf })
    return difference === undefined ? `${said}, ${noted}` : `${said} (${tellDifference(difference)}), ${noted}`
  } catch (error) {
    return `${said} (they cannot be compared: ${(error as Error).message}), ${noted}`
  }
}
