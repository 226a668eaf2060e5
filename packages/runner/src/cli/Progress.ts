import type { Progress } from "../sources/Download.ts"
import { bytes } from "./Output.ts"

const EVERY_MILLIS = 200
/** What is smaller is there before anybody could read of it. */
const LEAST_BYTES = 4e6

let told = ""
let toldAt = 0

/** Tells on standard error of what is being fetched: counted up in place on a terminal, once a file elsewhere. */
export const tellProgress = ({ bytes: have, spec, total }: Progress): void => {
  if (total !== undefined && total < LEAST_BYTES) return
  if (total === undefined || process.stderr.isTTY !== true) {
    if (told !== spec) process.stderr.write(`fetching ${spec}${total === undefined ? "" : `, ${bytes(total)}`}\n`)
  } else if (Date.now() - toldAt > EVERY_MILLIS || have === total) {
    process.stderr.write(`\r\u001b[Kfetching ${spec}, ${bytes(have)} of ${bytes(total)}${have === total ? "\n" : ""}`)
    toldAt = Date.now()
  }
  told = spec
}
