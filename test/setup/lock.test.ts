import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { withLock } from "../../scripts/setup/lock.mjs"
import { temporaryFolder } from "./temporary.ts"

const lockModule = fileURLToPath(new URL("../../scripts/setup/lock.mjs", import.meta.url))

/** Another process that takes the folder's lock, says so, and then holds it for `holdMs`. */
function holder(folder: string, body: string) {
  const code = `const { withLock } = await import(${JSON.stringify(lockModule)});
    await withLock(${JSON.stringify(folder)}, () => {}, async () => { ${body} })`
  return spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] })
}

it("is free again the moment its holder is killed", async () => {
  const folder = temporaryFolder()
  const child = holder(folder, `console.log("held"); await new Promise((wake) => setTimeout(wake, 60000))`)
  await once(child.stdout, "data")
  let waited = false
  const taken = withLock(
    folder,
    () => (waited = true),
    async () => "taken"
  )
  await new Promise((wake) => setTimeout(wake, 300))
  assert.isTrue(waited, "the second waits while the first lives")
  child.kill("SIGKILL")
  assert.strictEqual(await taken, "taken")
})

it("lets several processes in one at a time", async () => {
  const folder = temporaryFolder()
  const counter = join(folder, "counter")
  writeFileSync(counter, "0")
  const body = `const fs = await import("node:fs");
    const n = Number(fs.readFileSync(${JSON.stringify(counter)}, "utf8"));
    await new Promise((wake) => setTimeout(wake, 30));
    fs.writeFileSync(${JSON.stringify(counter)}, String(n + 1))`
  const children = Array.from({ length: 5 }, () => holder(folder, body))
  await Promise.all(children.map((child) => once(child, "exit")))
  assert.strictEqual(readFileSync(counter, "utf8"), "5")
})
