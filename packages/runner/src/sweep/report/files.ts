import { mkdirSync, renameSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import type { SweepJson } from "@hone/core/sweep/SweepJson"
import { replaceFile } from "../../store/Files.ts"
import { pageAssets } from "./pageAssets.ts"
import { sweepHtml } from "./sweepHtml.ts"
import { trialColumns } from "./trialColumns.ts"

/** What a sweep can be written as, by the ending of the file. */
export const reportFormats = ["html", "csv", "arrow"] as const
export type ReportFormat = (typeof reportFormats)[number]

const writeArrow = async (path: string, sweep: SweepJson): Promise<void> => {
  const { arrowColumns } = await import("@hone/steps/tables/columns")
  const { writeTable } = await import("@hone/steps/arrow/writer")
  const partial = `.${basename(path)}.${process.pid}.partial`
  writeTable(dirname(path), partial, arrowColumns(trialColumns(sweep)))
  renameSync(join(dirname(path), partial), path)
}

const writers: Readonly<Record<ReportFormat, (path: string, sweep: SweepJson) => Promise<void>>> = {
  html: async (path, sweep) => replaceFile(path, sweepHtml(sweep, pageAssets())),
  csv: async (path, sweep) => {
    const { separated } = await import("@hone/steps/tables/columns")
    replaceFile(path, separated(trialColumns(sweep), { withHeader: true }))
  },
  arrow: writeArrow
}

/** Writes the page or the table of a sweep, in place of a file of the name. Rejects with the system's words where it cannot. */
export const writeReport = (format: ReportFormat, path: string, sweep: SweepJson): Promise<void> => {
  const place = resolve(path)
  mkdirSync(dirname(place), { recursive: true })
  return writers[format](place, sweep)
}
