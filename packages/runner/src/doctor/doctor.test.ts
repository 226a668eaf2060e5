import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it, onTestFinished } from "vitest"
import type { EngineFile } from "./DoctorReport.ts"
import { doctor } from "./doctor.ts"
import { renderDoctor } from "./renderDoctor.ts"

const wasm: EngineFile = {
  engine: "wasm",
  version: "4.22.0",
  library: null,
  addon: null,
  numerics: { class: "wasm", version: "4.22.0", dtype: "float32" },
  device: "cpu",
  threads: 2,
  attempts: [
    {
      route: "pip",
      ok: false,
      reason: "no Python with pip on PATH",
      mend: "apt-get install python3-pip && npm run setup"
    }
  ]
}

/** An environment whose engine file says `engine`; none where it is undefined. */
function environment(engine: EngineFile | undefined): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), "hone-test-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, "engine.json")
  if (engine) writeFileSync(file, JSON.stringify(engine))
  return { HONE_ENGINE_FILE: file, HONE_CACHE: join(folder, "cache") }
}

it("before set-up, says so and what to run", async () => {
  const report = await doctor(environment(undefined))
  assert.deepInclude(report.findings, { what: "set-up has not chosen a tensor engine yet", mend: "npm run setup" })
  assert.match(renderDoctor(report), /engine +none chosen yet/)
})

it("on the fallback, shows each attempt and the command that would give a better engine", async () => {
  const text = renderDoctor(await doctor(environment(wasm)))
  assert.match(text, /engine +wasm, tfjs 4\.22\.0/)
  assert.match(text, /threads +2/)
  assert.match(text, /- pip: no Python with pip on PATH/)
  assert.match(text, /to mend\n.*pip: no Python.*\n +apt-get install python3-pip && npm run setup/)
})

it("says that the GPU path has not been run, whatever was found", async () => {
  const cuda: EngineFile = { ...wasm, engine: "capi", device: "cuda" }
  for (const engine of [undefined, wasm, cuda])
    assert.match(
      renderDoctor(await doctor(environment(engine))),
      /note: GPU: Hone's authors have not run it on one yet/
    )
})

it("says what the machine does in a second, what npm start would take, and that neighbours spoil it", async () => {
  const train = { tokens_per_second: 2604, flops_per_second: 173e9, calls: 25, fastest_ms: 391, median_ms: 393 }
  const infer = { tokens_per_second: 6880, flops_per_second: 153e9, calls: 32, fastest_ms: 140, median_ms: 149 }
  const rates = { batch: "16 rows of 64 tokens", threads: 2, train, infer, quick_start_seconds: 94 }
  const report = await doctor(environment(wasm))
  const quiet = renderDoctor({ ...report, speed: { ...rates, load: 0.4 } })
  assert.match(quiet, /training +2604 tokens, 173 GFLOP \(391 ms a batch at best, 393 ms by the median of 25\)/)
  assert.match(quiet, /npm start would take about 94 s/)
  assert.notMatch(quiet, /others are at work/)
  assert.match(renderDoctor({ ...report, speed: { ...rates, load: 1000 } }), /others are at work/)
})

it("finds a library that went since set-up, and tells that it does not load", async () => {
  const library = join(tmpdir(), "hone-no-such-library")
  const report = await doctor(environment({ ...wasm, engine: "capi", library, attempts: [] }))
  assert.deepInclude(report.findings, { what: `${library} is gone since set-up`, mend: "npm run setup" })
  assert.isFalse(report.probe?.ok)
})

it("tells when another engine is asked for than set-up chose", async () => {
  const { findings } = await doctor({ ...environment(wasm), HONE_ENGINE: "session" })
  assert.deepInclude(findings, {
    what: "HONE_ENGINE asks for session, and set-up chose wasm",
    mend: "HONE_ENGINE=session npm run setup"
  })
})
