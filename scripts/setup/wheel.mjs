// Fetches a pinned build of TensorFlow through pip or uv into the user's cache.
import { mkdirSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { downloadBytes } from "./builds.mjs"
import { runChild } from "./child.mjs"
import { bytesBelow, partialFolder, publishFolder, readJson, sha256OfFile, sizeOf, which, writeJson } from "./files.mjs"
import { progress, say, size } from "./say.mjs"
import { extractEntry, readEntries } from "./zip.mjs"

const platforms = ["manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64"]
const manifestName = "whole.json"

/** The wheel is not the pinned one: cut short, altered, or another build under the same name. */
class ChecksumError extends Error {
  constructor(file, wanted, found) {
    super(`${file} has sha256 ${found}, and not the pinned ${wanted}`)
    this.name = "ChecksumError"
  }
}

/** Whether a build's folder holds every file of its manifest at its size; the manifest is written last. */
export function isWholeBuild(folder) {
  const files = readJson(join(folder, manifestName))?.files
  return files !== undefined && Object.entries(files).every(([name, bytes]) => sizeOf(join(folder, name)) === bytes)
}

/**
 * Downloads, checks and unpacks a build into `<cache>/tensorflow/<build.folder>`.
 *
 * @param installer from `findInstallers`
 * @returns `{ ok, reason }`
 */
export async function fetchBuild(build, cache, installer) {
  const parent = join(cache, "tensorflow")
  mkdirSync(parent, { recursive: true })
  const short = missingSpace(parent, build)
  if (short) return { ok: false, reason: short }
  const partial = partialFolder(parent)
  say(
    `TensorFlow (${build.folder}) through ${installer.name}: ${size(downloadBytes(build))} to download, ` +
      `${size(build.unpackedBytes)} kept in ${cache}`
  )
  try {
    const kept = join(partial, "kept")
    for (const wanted of build.packages) await installer.fetch(wanted, build, join(partial, "work"), kept)
    writeManifest(kept)
    publishFolder(kept, join(parent, build.folder), isWholeBuild)
    return { ok: true, reason: `${build.folder} downloaded through ${installer.name}` }
  } catch (cause) {
    return { ok: false, reason: cause.message }
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

function missingSpace(folder, build) {
  const { bavail, bsize } = statfsSync(folder)
  const needed = downloadBytes(build) + build.unpackedBytes
  return bavail * bsize < needed ? `${folder} has ${size(bavail * bsize)} free, ${size(needed)} are needed` : undefined
}

function writeManifest(folder) {
  const files = {}
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name)
    if (entry.isFile()) files[relative(folder, file)] = sizeOf(file)
  }
  writeJson(join(folder, manifestName), { files })
}

/** The installers of this machine, and why another is not there. */
export async function findInstallers(env = process.env) {
  const found = []
  const pip = await findPip(env)
  found.push(pip ? pipInstaller(pip, env) : { name: "pip", missing: "no Python with pip on PATH" })
  const uv = which("uv", env)
  found.push(uv ? uvInstaller(uv, env) : { name: "uv", missing: "no uv on PATH" })
  return found
}

async function findPip(env) {
  const candidates = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]]
  for (const [command, ...args] of candidates) {
    const file = which(command, env)
    if (file && (await runChild(file, [...args, "--version"], { env })).ok) return [file, ...args]
  }
  return undefined
}

function pipInstaller([command, ...args], env) {
  return {
    name: "pip",
    fetch: async (wanted, build, work, kept) => {
      const wheel = await firstThatWorks(wanted.wheels, async (pin) => {
        rmSync(work, { recursive: true, force: true })
        const temporary = join(work, "tmp")
        mkdirSync(temporary, { recursive: true })
        const show = progress(`downloading ${wanted.name} ${wanted.version}`, wanted.bytes)
        const options = { env: { ...env, TMPDIR: temporary }, onTick: () => show(bytesBelow(work)) }
        const result = await runChild(command, [...args, ...pipArguments(wanted, pin, work)], options)
        if (!result.ok) throw new Error(`pip: ${result.text}`)
        const file = join(work, readdirSync(work).find((name) => name.endsWith(".whl")) ?? "no wheel")
        await checkWheel(file, pin.sha256)
        return file
      })
      await unpackWheel(wheel, build, kept)
      rmSync(work, { recursive: true, force: true })
    }
  }
}

/** pip's own Python does not matter: the wheel is only taken apart, never imported. */
function pipArguments(wanted, pin, folder) {
  return [
    ...["download", "--quiet", "--progress-bar", "off", "--no-cache-dir", "--disable-pip-version-check"],
    ...["--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--python-version", pin.python],
    ...["--abi", `cp${pin.python.replace(".", "")}`, ...platforms.flatMap((name) => ["--platform", name])],
    ...["--dest", folder, `${wanted.name}==${wanted.version}`]
  ]
}

async function firstThatWorks(choices, work) {
  const reasons = []
  for (const choice of choices) {
    try {
      return await work(choice)
    } catch (cause) {
      reasons.push(cause.message)
    }
  }
  throw new Error([...new Set(reasons)].join("; "))
}

/** Fails with a ChecksumError unless the file is the pinned wheel. */
async function checkWheel(file, sha256) {
  const found = await sha256OfFile(file)
  if (found !== sha256) throw new ChecksumError(file, sha256, found)
}

/** Unpacks what the build keeps of a wheel into `folder`, with progress. */
async function unpackWheel(file, build, folder) {
  const entries = readEntries(file)
    .map((entry) => ({ entry, target: entry.name.endsWith("/") ? undefined : build.keep(entry.name) }))
    .filter(({ target }) => target !== undefined)
  const total = entries.reduce((sum, { entry }) => sum + entry.size, 0)
  const show = progress("unpacking", total)
  let done = 0
  for (const { entry, target } of entries) {
    await extractEntry(file, entry, join(folder, target), (bytes) => show((done += bytes)))
  }
}

/** uv has no download command: it installs into a private folder, checks the pinned digests itself, and the files move. */
function uvInstaller(command, env) {
  return {
    name: "uv",
    fetch: async (wanted, build, work, kept) => {
      const tree = join(work, "tree")
      mkdirSync(join(work, "cache"), { recursive: true })
      const pins = wanted.wheels.map((pin) => `--hash=sha256:${pin.sha256}`)
      writeFileSync(join(work, "requirements.txt"), `${wanted.name}==${wanted.version} ${pins.join(" ")}\n`)
      await firstThatWorks(wanted.wheels, async (pin) => {
        const show = progress(`downloading and unpacking ${wanted.name} ${wanted.version}`, build.unpackedBytes)
        const options = {
          env: { ...env, UV_CACHE_DIR: join(work, "cache"), UV_LINK_MODE: "hardlink" },
          onTick: () => show(bytesBelow(join(work, "cache")))
        }
        const result = await runChild(command, uvArguments(pin, tree, work), options)
        if (!result.ok) throw new Error(`uv: ${result.text}`)
      })
      moveKept(tree, build, kept)
      rmSync(work, { recursive: true, force: true })
    }
  }
}

function uvArguments(pin, tree, work) {
  return [
    ...["pip", "install", "--quiet", "--target", tree, "--no-deps", "--only-binary", ":all:"],
    ...["--python-version", pin.python, "--python-platform", "x86_64-manylinux_2_28"],
    ...["--require-hashes", "--requirement", join(work, "requirements.txt")]
  ]
}

function moveKept(tree, build, kept) {
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath ?? entry.path, entry.name)
    const target = build.keep(relative(tree, file))
    if (target === undefined) continue
    mkdirSync(dirname(join(kept, target)), { recursive: true })
    renameSync(file, join(kept, target))
  }
}
