import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { runChild } from "../../scripts/setup/child.mjs"
import { temporaryFolder } from "./temporary.ts"

const childModule = fileURLToPath(new URL("../../scripts/setup/child.mjs", import.meta.url))

it("a program of a killed set-up does not write on", async () => {
  const file = join(temporaryFolder(), "beats")
  writeFileSync(file, "")
  const code = `const { runChild } = await import(${JSON.stringify(childModule)})
    await runChild("sh", ["-c", "while true; do echo x >> ${file}; sleep 0.05; done"])`
  const setUp = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "ignore" })
  const beats = () => Number(spawnSync("wc", ["-c", file], { encoding: "utf8" }).stdout.split(" ")[0])
  while (beats() < 6) await sleep(50)
  setUp.kill("SIGKILL")
  await once(setUp, "exit")
  await sleep(300)
  const after = beats()
  await sleep(400)
  assert.strictEqual(beats(), after)
})

it("tells how a program ended, in its own words", async () => {
  assert.deepInclude(await runChild("sh", ["-c", "echo out; exit 0"]), { ok: true, code: 0, stdout: "out\n" })
  assert.include(await runChild("sh", ["-c", "echo 'x: error: no space' >&2; echo bye; exit 3"]), {
    ok: false,
    code: 3,
    text: "x: error: no space"
  })
  assert.include(await runChild("sh", ["-c", "kill -SEGV $$"]), { ok: false, text: "ended by SIGSEGV" })
  const missing = await runChild("/no/such/program", [])
  assert.isFalse(missing.ok)
  assert.match(missing.text, /not found/)
})
