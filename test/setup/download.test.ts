import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { mkdirSync, readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it, onTestFinished } from "vitest"
import { fetchBuild, findInstallers, isWholeBuild } from "../../scripts/setup/wheel.mjs"
import { writeCommand, writePip } from "./standIns.ts"
import { temporaryFolder, writeFiles } from "./temporary.ts"
import { zipFile } from "./zipFile.ts"

const content = "library ".repeat(400_000) // 3.2 MB, in a wheel of 10 kB
const wheel = zipFile({
  "tensorflow/libtensorflow_cc.so.2": content,
  "tensorflow/libtensorflow_framework.so.2": "framework"
})
const sha256 = createHash("sha256").update(wheel).digest("hex")

const build = (unpackedBytes = 4_000_000) => ({
  folder: "1.0-cpu",
  library: ".",
  unpackedBytes,
  packages: [{ name: "pretend", version: "1.0", bytes: wheel.length, wheels: [{ python: "3.11", sha256 }] }],
  keep: (name: string) => (name.endsWith(".so.2") ? name.slice("tensorflow/".length) : undefined)
})

/** A folder with the wheel, whole and cut, and a stand-in for pip. */
const withPip = async (download: string) => {
  const folder = temporaryFolder()
  writeFiles(folder, { "whole.whl": wheel, "half.whl": wheel.subarray(0, wheel.length >> 1) })
  writePip(join(folder, "bin"), download.replaceAll("@", folder))
  const installers = await findInstallers({ PATH: join(folder, "bin") })
  const pip = installers.find(({ name }) => name === "pip")
  if (pip === undefined || "missing" in pip) throw new Error("the stand-in is not found")
  return { folder, cache: join(folder, "cache"), pip }
}

const leftovers = (cache: string) => readdirSync(join(cache, "tensorflow"))

it("takes half a download for none, and the next one that is whole", async () => {
  const { cache, folder, pip } = await withPip("/bin/cp @/half.whl $dest/pretend.whl")
  const { ok, reason } = await fetchBuild(build(), cache, pip)
  assert.isFalse(ok)
  assert.match(reason, /has sha256 [0-9a-f]{64}, and not the pinned/)
  assert.deepStrictEqual(leftovers(cache), [])
  writePip(join(folder, "bin"), `/bin/cp ${folder}/whole.whl $dest/pretend.whl`)
  assert.isTrue((await fetchBuild(build(), cache, pip)).ok)
  assert.isTrue(isWholeBuild(join(cache, "tensorflow", "1.0-cpu")))
})

it("tells why pip gave up, in pip's words, and leaves nothing", async () => {
  const { cache, pip } = await withPip("/bin/cp @/half.whl $dest/part; echo 'ERROR: connection broken' >&2; exit 1")
  assert.include((await fetchBuild(build(), cache, pip)).reason, "pip: ERROR: connection broken")
  assert.deepStrictEqual(leftovers(cache), [])
})

it("asks for no more than the disk can hold", async () => {
  const { cache, folder, pip } = await withPip("/bin/touch @/asked")
  const { ok, reason } = await fetchBuild(build(1e18), cache, pip)
  assert.isFalse(ok)
  assert.match(reason, /has .* free, 1000000000\.0 GB are needed/)
  assert.notInclude(readdirSync(folder), "asked")
})

it("a disk that fills up while unpacking is told, and nothing half-made is kept", async () => {
  const { cache, pip } = await withPip("/bin/cp @/whole.whl $dest/pretend.whl")
  mkdirSync(cache)
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", cache])
  if (status !== 0) return console.log("skipped: no file system can be mounted here")
  onTestFinished(() => void spawnSync("umount", ["-l", cache]))
  const { ok, reason } = await fetchBuild(build(1000), cache, pip)
  assert.isFalse(ok)
  assert.match(reason, /ENOSPC/)
  assert.deepStrictEqual(leftovers(cache), [])
})

const script = (name: string) => JSON.stringify(fileURLToPath(new URL(`../../scripts/setup/${name}`, import.meta.url)))

it("two set-ups at once download once, and both have the library", async () => {
  const { cache, folder } = await withPip(
    "echo x >> @/downloads; /bin/sleep 0.3; /bin/cp @/whole.whl $dest/pretend.whl"
  )
  writeFiles(folder, { "build.json": JSON.stringify(build()) })
  const code = `const { withLock } = await import(${script("lock.mjs")})
    const { findLibrary } = await import(${script("library.mjs")})
    const { readFileSync, writeFileSync } = await import("node:fs")
    const [folder, own] = ${JSON.stringify([folder])}.concat(process.argv.at(-1))
    const build = JSON.parse(readFileSync(folder + "/build.json", "utf8"))
    build.keep = (name) => name.endsWith(".so.2") ? name.slice("tensorflow/".length) : undefined
    const check = async () => ({ ok: true, version: "1.0", gpu: false })
    const found = await withLock(${JSON.stringify(cache)}, () => {}, () =>
      findLibrary({ env: { PATH: folder + "/bin" }, cache: ${JSON.stringify(cache)}, builds: [build], check, attempts: [] }))
    writeFileSync(folder + "/found-" + own, found?.folder ?? "nothing")`
  const setUps = ["a", "b"].map((own) =>
    spawn(process.execPath, ["--input-type=module", "-e", code, own], { stdio: "ignore" })
  )
  await Promise.all(setUps.map((child) => once(child, "exit")))
  assert.strictEqual(readFileSync(join(folder, "downloads"), "utf8"), "x\n")
  for (const own of ["a", "b"])
    assert.strictEqual(readFileSync(join(folder, `found-${own}`), "utf8"), join(cache, "tensorflow", "1.0-cpu"))
})

it("a Python without pip, and no Python, are told apart from a download that failed", async () => {
  const folder = temporaryFolder()
  writeCommand(folder, "python3", "echo 'No module named pip' >&2; exit 1")
  for (const path of [folder, join(folder, "empty")]) {
    const [pip, uv] = await findInstallers({ PATH: path })
    assert.deepInclude(pip, { name: "pip", missing: "no Python with pip on PATH" })
    assert.deepInclude(uv, { name: "uv", missing: "no uv on PATH" })
  }
})
