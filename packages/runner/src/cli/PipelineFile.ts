import { readFileSync, statSync } from "node:fs"

// Ten thousand steps take a tenth of it. A larger file is data that was named by mistake.
const largestBytes = 8 * 1024 * 1024
const dataFile = /\.(?:csv|tsv|jsonl|parquet|arrow|txt)(?:\.gz|\.zst)?$/iu

/** Reads a file of the pipeline language; throws an Error whose message is for the user. */
export const readPipelineFile = (path: string): string => {
  const { size } = statSync(path)
  if (dataFile.test(path)) throw new Error(`it is data: \`hone ingest ${path} --guess\` writes a pipeline for it`)
  if (size > largestBytes) throw new Error(`${Math.round(size / 1e6)} MB are no pipeline: at most 8 MiB are read`)
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    if (error instanceof TypeError) throw new Error("it is not UTF-8 text: save it as UTF-8", { cause: error })
    throw error
  }
  const nul = text.indexOf("\0")
  if (nul >= 0) throw new Error(`it holds a NUL character, in line ${text.slice(0, nul).split("\n").length}: remove it`)
  return text
}
