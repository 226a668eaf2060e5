import { createHash } from "node:crypto"
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { fetchBuild, findInstallers, isWholeBuild } from "../../scripts/setup/wheel.mjs"
import { temporaryFolder, writeFiles } from "./temporary.ts"
import { zipFile } from "./zipFile.ts"

// The real pip, on a small wheel in a folder instead of a package index.
const wheelName = "hone_pretend-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
const wheel = zipFile({
  "tensorflow/libtensorflow_cc.so.2": "library ".repeat(1000),
  "tensorflow/python/large.py": "not kept",
  "hone_pretend-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: hone-pretend\nVersion: 1.0\n",
  "hone_pretend-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\n",
  "hone_pretend-1.0.dist-info/RECORD": ""
})
const sha256 = createHash("sha256").update(wheel).digest("hex")

function build(pinned: string) {
  return {
    folder: "1.0-cpu",
    library: ".",
    unpackedBytes: 8000,
    packages: [
      { name: "hone-pretend", version: "1.0", bytes: wheel.length, wheels: [{ python: "3.11", sha256: pinned }] }
    ],
    keep: (name: string) => (name.endsWith(".so.2") ? name.slice("tensorflow/".length) : undefined)
  }
}

async function localPip(folder: string) {
  writeFiles(folder, { [`index/${wheelName}`]: wheel })
  const env = { ...process.env, PIP_NO_INDEX: "1", PIP_FIND_LINKS: join(folder, "index") }
  const installers = await findInstallers(env)
  const pip = installers.find(({ name }) => name === "pip")
  return pip && !("missing" in pip) ? pip : undefined
}

it("keeps the wanted files of a wheel that pip finds, and nothing else", async ({ skip }) => {
  const folder = temporaryFolder()
  const pip = (await localPip(folder)) ?? skip("no pip on this machine")
  const fetched = await fetchBuild(build(sha256), folder, pip)
  assert.isTrue(fetched.ok, fetched.reason)
  const place = join(folder, "tensorflow", "1.0-cpu")
  assert.isTrue(isWholeBuild(place))
  assert.deepStrictEqual(readdirSync(place).sort(), ["libtensorflow_cc.so.2", "whole.json"])
  assert.strictEqual(readFileSync(join(place, "libtensorflow_cc.so.2"), "utf8"), "library ".repeat(1000))
  assert.deepStrictEqual(readdirSync(join(folder, "tensorflow")), ["1.0-cpu"], "no private folder is left behind")
})

it("refuses a wheel that is not the pinned one, and leaves nothing of it", async ({ skip }) => {
  const folder = temporaryFolder()
  const pip = (await localPip(folder)) ?? skip("no pip on this machine")
  const fetched = await fetchBuild(build("0".repeat(64)), folder, pip)
  assert.isFalse(fetched.ok)
  assert.match(fetched.reason, /has sha256 [0-9a-f]{64}, and not the pinned 0{64}/)
  assert.deepStrictEqual(readdirSync(join(folder, "tensorflow")), [])
})

it("takes a build with a short or missing file for no build, and replaces it", async ({ skip }) => {
  const folder = temporaryFolder()
  const pip = (await localPip(folder)) ?? skip("no pip on this machine")
  await fetchBuild(build(sha256), folder, pip)
  const place = join(folder, "tensorflow", "1.0-cpu")
  writeFileSync(join(place, "libtensorflow_cc.so.2"), "libr")
  assert.isFalse(isWholeBuild(place))
  await fetchBuild(build(sha256), folder, pip)
  assert.isTrue(isWholeBuild(place))
  rmSync(join(place, "libtensorflow_cc.so.2"))
  assert.isFalse(isWholeBuild(place))
  assert.isTrue(existsSync(join(place, "whole.json")))
})
