// The step that the peers run: `node step.mjs NAME SIGNALS OUTPUT INPUT...`. Joins the first lines of its inputs into its output. Files in
// the folder SIGNALS hold it before it reads, before it writes and before it ends, so that an experiment can act in between.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const [name, signals, output, ...inputs] = process.argv.slice(2)
appendFileSync(join(signals, "ran"), `${name}\n`)
const attempt = readFileSync(join(signals, "ran"), "utf8")
  .split("\n")
  .filter((line) => line === name).length
const isHeld = existsSync(join(signals, `hold-${name}`))

const phase = async (what) => {
  writeFileSync(join(signals, `${name}-${attempt}-${what}`), String(process.pid))
  if (!isHeld) return
  while (!existsSync(join(signals, `go-${name}-${attempt}-${what}`))) await sleep(5)
}

await phase("read")
const lines = inputs.map((input) => readFileSync(input, "utf8").split("\n")[0])
await phase("write")
const chance = existsSync(join(signals, "unsteady")) ? ` ${Math.random()}` : ""
writeFileSync(output, `${name} of ${lines.join(" and ")}${chance}`)
await phase("end")
