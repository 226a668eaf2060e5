import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { cudaBuild } from "../../scripts/setup/builds.mjs"
import { loadNative, setUpEngine } from "../../scripts/setup/engine.mjs"
import { findLibrary, wantedBuilds } from "../../scripts/setup/library.mjs"
import { compileLibrary, writeCommand } from "./standIns.ts"
import { temporaryFolder, writeFiles } from "./temporary.ts"

interface Attempt {
  readonly route: string
  readonly ok: boolean
  readonly reason: string
  readonly mend?: string
}

/** Set-up in an environment with a cache of its own, and on PATH what the test puts there. */
const place = () => {
  const folder = temporaryFolder()
  const bin = join(folder, "bin")
  const engineFile = join(folder, "engine.json")
  const bare = { PATH: bin, HONE_CACHE: join(folder, "cache"), HONE_ENGINE_FILE: engineFile }
  const setUp = async (env: Record<string, string> = {}) => {
    await setUpEngine({ ...bare, ...env })
    const chosen = JSON.parse(readFileSync(engineFile, "utf8"))
    const reason = (route: string) => (chosen.attempts as ReadonlyArray<Attempt>).find((one) => one.route === route)
    return { ...chosen, reason }
  }
  return { folder, bin, setUp, cache: bare.HONE_CACHE }
}

const PYTHON = "the active Python's tensorflow"

describe("a TensorFlow that is there already", () => {
  it("of the active Python is taken, in another version than the pinned one", async ({ skip }) => {
    const { bin, folder, setUp } = place()
    const library = join(folder, "site-packages", "tensorflow")
    if (!(await compileLibrary(library, { version: "2.9.1" }))) skip("no C compiler on this machine")
    writeCommand(bin, "python3", `case "$*" in *find_spec*) echo ${library};; *) exit 1;; esac`)
    const { engine, numerics, reason } = await setUp()
    assert.strictEqual(engine, "capi")
    assert.deepStrictEqual(numerics, { class: "tensorflow-cpu", version: "2.9.1", dtype: "float32" })
    assert.deepInclude(reason(PYTHON), { ok: true, reason: `TensorFlow 2.9.1 in ${library}` })
  })

  it.each([
    ["2.4.0", [], /TensorFlow 2\.4\.0; 2\.9 to 2\.21 are taken/],
    ["2.30.0", [], /TensorFlow 2\.30\.0; 2\.9 to 2\.21 are taken/],
    ["2.12.0", ["TF_SessionRun", "TF_SetConfig"], /lacks the functions TF_SessionRun, TF_SetConfig/],
    [
      "2.12.0",
      ["Erf", "StatelessRandomUniform"],
      /lacks the operations .*StatelessRandomUniform.*Erf|lacks the operations Erf/
    ]
  ])("is refused as %s without %j, and all that is missing is said", async (version, without, expected) => {
    const { folder, setUp } = place()
    if (!(await compileLibrary(folder, { version, without }))) return console.log("skipped: no C compiler here")
    const { engine, reason } = await setUp({ HONE_TENSORFLOW: folder })
    assert.strictEqual(engine, "wasm")
    assert.match(reason("HONE_TENSORFLOW").reason, expected)
  })

  it("that is no library is refused in the loader's words", async () => {
    const { folder, setUp } = place()
    writeFiles(folder, { "libtensorflow_cc.so.2": "text", "libtensorflow_framework.so.2": "text" })
    const { reason } = await setUp({ HONE_TENSORFLOW: folder })
    assert.match(reason("HONE_TENSORFLOW").reason, /does not load: .*(invalid ELF header|too short)/)
  })
})

describe("a cache that cannot be written", () => {
  it("costs the addon and the download, with the way out, and no more", async ({ skip }) => {
    const { folder, setUp } = place()
    const library = join(folder, "library")
    if (!(await compileLibrary(library, { version: "2.21.0" }))) skip("no C compiler on this machine")
    writeFiles(folder, { blocked: "a file where the folder would be" })
    const env = { HONE_CACHE: join(folder, "blocked", "cache") }
    assert.strictEqual((await setUp({ ...env, HONE_TENSORFLOW: library })).engine, "capi")
    const { engine, reason } = await setUp(env)
    assert.strictEqual(engine, "wasm")
    assert.match(reason("wheel").reason, /nothing can be kept: ENOTDIR/)
    assert.strictEqual(reason("wheel").mend, "HONE_CACHE=<another folder> npm run setup")
  })
})

it.each<[{ platform: NodeJS.Platform; arch: NodeJS.Architecture; glibc: string | undefined }, RegExp]>([
  [{ platform: "linux", arch: "x64", glibc: "2.17" }, /need glibc 2\.27, and this system has 2\.17/],
  [{ platform: "linux", arch: "x64", glibc: undefined }, /need glibc, and this system has another C library/],
  [{ platform: "darwin", arch: "arm64", glibc: undefined }, /no pinned TensorFlow build for darwin on arm64/]
])("asks for no wheel on a system that has none: %j", async (system, expected) => {
  const { bin, cache } = place()
  const attempts: Array<Attempt> = []
  const check = () => assert.fail("there is nothing to load")
  const found = await findLibrary({ env: { PATH: bin }, cache, builds: [], check, attempts, system })
  assert.isUndefined(found)
  assert.match(attempts.at(-1)!.reason, expected)
})

describe("the CUDA build", () => {
  const withDriver = () => {
    const root = temporaryFolder()
    writeFiles(root, { "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module" })
    return root
  }
  const asked = async (env: Record<string, string>, root: string, cache = temporaryFolder()) => {
    const attempts: Array<Attempt> = []
    const builds: ReadonlyArray<{ readonly folder: string }> = await wantedBuilds(env, cache, attempts, root)
    return { folders: builds.map(({ folder }) => folder), attempts }
  }

  it("is not spoken of where there is no driver", async () => {
    const { attempts, folders } = await asked({ HONE_GPU: "1" }, temporaryFolder())
    assert.deepStrictEqual([folders, attempts], [["2.21.0-cpu"], []])
  })

  it("comes only when asked for, and says how large it is and how to ask", async () => {
    const { attempts, folders } = await asked({}, withDriver())
    assert.deepStrictEqual(folders, ["2.21.0-cpu"])
    assert.match(attempts[0]!.reason, /comes only when asked for/)
    assert.match(attempts[0]!.reason, /3\.3 GB to download/)
    assert.strictEqual(attempts[0]!.mend, "HONE_GPU=1 npm run setup")
    assert.deepStrictEqual((await asked({ HONE_GPU: "1" }, withDriver())).folders, ["2.21.0-cuda", "2.21.0-cpu"])
    assert.deepStrictEqual((await asked({ HONE_GPU: "0" }, withDriver())).attempts, [])
  })

  it("that is in the cache loads on a host without a GPU, and computes on the processor", async ({ skip }) => {
    const cache = temporaryFolder()
    const folder = join(cache, "tensorflow", cudaBuild.folder)
    const made = await compileLibrary(join(folder, cudaBuild.library), { version: "2.21.0" })
    if (!made) skip("no C compiler on this machine")
    writeFiles(folder, { "whole.json": JSON.stringify({ files: {} }) })
    const attempts: Array<Attempt> = []
    const { folders } = await asked({}, withDriver(), cache)
    assert.deepStrictEqual(folders, ["2.21.0-cuda", "2.21.0-cpu"], "what is there is used without asking")
    const env = { PATH: join(cache, "empty") }
    const library = await findLibrary({ env, cache, builds: [cudaBuild], check: loadNative, attempts })
    assert.deepInclude(library, { version: "2.21.0", gpu: false })
    assert.isTrue(existsSync(join(library!.folder, "libtensorflow_cc.so.2")))
  })
})
