// Looks for a TensorFlow library: what is there already, else a pinned wheel. Every attempt is kept with its reason.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { cpuBuild, cudaBuild, downloadBytes, frameworkName, libraryName } from "./builds.mjs"
import { runChild } from "./child.mjs"
import { unwritableFolder, which } from "./files.mjs"
import { addonPackage } from "./places.mjs"
import { consent, say, size } from "./say.mjs"
import { fetchBuild, findInstallers, isWholeBuild } from "./wheel.mjs"

/**
 * The first library that loads.
 *
 * @param builds the wheels to ask for, best first
 * @param check `(libraryFile) => Promise<{ ok, version, gpu, reason }>`: loads it in a process of its own
 * @param system `{ platform, arch, glibc }`: what wheels are asked for
 * @param attempts receives `{ route, ok, reason, mend? }` for each place looked at
 * @returns `{ folder, version, gpu }` or undefined; the folder holds both libraries under the wheel's names
 */
export async function findLibrary({ env, cache, builds, check, attempts, system = thisSystem() }) {
  for (const [route, look] of presentRoutes(env, cache, builds)) {
    const folder = await look()
    const library = await consider(route, folder, { cache, check, attempts })
    if (library) return library
    if (route === "HONE_TENSORFLOW") say(`HONE_TENSORFLOW is of no use: ${attempts.at(-1).reason}`)
  }
  const unsupported = unsupportedSystem(system)
  if (unsupported)
    return fail(attempts, "wheel", unsupported, "HONE_TENSORFLOW=<folder of a library built for it> npm run setup")
  const unwritable = unwritableFolder(cache)
  if (unwritable)
    return fail(attempts, "wheel", `nothing can be kept: ${unwritable}`, "HONE_CACHE=<another folder> npm run setup")
  return fetchLibrary({ env, cache, builds, check, attempts })
}

/** Places where a library may lie already, in order: `[route, () => folder or { reason }]`. */
function presentRoutes(env, cache, builds) {
  return [
    ...(env.HONE_TENSORFLOW ? [["HONE_TENSORFLOW", () => env.HONE_TENSORFLOW]] : []),
    ...builds.map((build) => ["cache", () => cachedBuild(cache, build)]),
    ["tfjs-node-gpu's own installer", () => join(addonPackage(), "deps", "lib")],
    ["the active Python's tensorflow", () => pythonLibrary(env)]
  ]
}

function cachedBuild(cache, build) {
  const folder = join(cache, "tensorflow", build.folder)
  if (isWholeBuild(folder)) return join(folder, build.library)
  return { reason: existsSync(folder) ? `${folder} is not whole` : `nothing in ${folder}` }
}

/** Asks Python where the package lies, without importing it (which takes seconds). */
async function pythonLibrary(env) {
  const python = ["python3", "python"].map((name) => which(name, env)).find(Boolean)
  if (!python) return { reason: "no Python on PATH" }
  const ask =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(s.submodule_search_locations[0] if s else '')"
  const { ok, stdout, text } = await runChild(python, ["-c", ask], { env })
  if (!ok) return { reason: `${python}: ${text}` }
  return stdout.trim() || { reason: `${python} has no package tensorflow` }
}

async function consider(route, found, { cache, check, attempts }) {
  if (typeof found !== "string") return fail(attempts, route, found.reason)
  const folder = underUsualNames(found, cache)
  if (!folder) return fail(attempts, route, `no ${libraryName} and ${frameworkName} in ${found}`)
  const checked = await check(join(folder, libraryName))
  if (!checked.ok) return fail(attempts, route, `${join(folder, libraryName)} does not load: ${checked.reason}`)
  attempts.push({ route, ok: true, reason: `TensorFlow ${checked.version} in ${found}` })
  return { folder, version: checked.version, gpu: checked.gpu }
}

/**
 * The folder itself if it has the wheel's file names. The C library that TensorFlow's own archives hold has another name: a
 * folder of links in the cache then gives it the usual one.
 */
function underUsualNames(folder, cache) {
  const has = (name) => existsSync(join(folder, name))
  if (!has(frameworkName)) return undefined
  if (has(libraryName)) return folder
  if (!has("libtensorflow.so.2") || unwritableFolder(cache)) return undefined
  const linked = join(cache, "tensorflow", `links-${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`)
  mkdirSync(linked, { recursive: true })
  link(join(folder, "libtensorflow.so.2"), join(linked, libraryName))
  link(join(folder, frameworkName), join(linked, frameworkName))
  const headers = [join(folder, "include"), join(dirname(folder), "include")].find((place) => existsSync(place))
  if (headers) link(headers, join(linked, "include"))
  return linked
}

function link(target, place) {
  rmSync(place, { force: true })
  symlinkSync(target, place)
}

function fail(attempts, route, reason, mend) {
  attempts.push({ route, ok: false, reason, ...(mend && { mend }) })
  return undefined
}

async function fetchLibrary({ env, cache, builds, check, attempts }) {
  const mends = { pip: "apt-get install python3-pip && npm run setup", uv: undefined }
  for (const installer of await findInstallers(env)) {
    if (installer.missing) {
      fail(attempts, installer.name, installer.missing, mends[installer.name])
      continue
    }
    for (const build of builds) {
      const fetched = await fetchBuild(build, cache, installer)
      const library = fetched.ok
        ? await consider(installer.name, join(cache, "tensorflow", build.folder, build.library), {
            cache,
            check,
            attempts
          })
        : fail(attempts, installer.name, fetched.reason, "npm run setup -- engine (tries again)")
      if (library) return library
      say(`${installer.name}: ${attempts.at(-1).reason}`)
    }
  }
  return undefined
}

function thisSystem() {
  process.report.excludeNetwork = true
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: process.report.getReport().header.glibcVersionRuntime
  }
}

/** TensorFlow's wheels are for Linux on x86-64 with glibc 2.27 or newer. */
function unsupportedSystem({ arch, glibc, platform }) {
  if (platform !== "linux" || arch !== "x64") return `there is no pinned TensorFlow build for ${platform} on ${arch}`
  if (!glibc) return "TensorFlow's wheels need glibc, and this system has another C library"
  const [major, minor] = glibc.split(".").map(Number)
  return major > 2 || minor >= 27 ? undefined : `TensorFlow's wheels need glibc 2.27, and this system has ${glibc}`
}

/**
 * The builds worth asking for here, best first. The CUDA build is large: where a driver is, it comes only with consent
 * (HONE_GPU=1, or a yes on the terminal), and once it is in the cache it is used without asking.
 *
 * @param root where /proc and /dev lie: tests have their own
 */
export async function wantedBuilds(env, cache, attempts, root = "/") {
  if (env.HONE_GPU === "0" || !hasNvidiaDriver(root)) return [cpuBuild]
  const isThere = isWholeBuild(join(cache, "tensorflow", cudaBuild.folder))
  const amount = `${size(downloadBytes(cudaBuild))} to download, ${size(cudaBuild.unpackedBytes)} kept`
  const question = `an NVIDIA driver is here: fetch TensorFlow's CUDA build (${amount})?`
  if (isThere || env.HONE_GPU === "1" || (await consent(question))) return [cudaBuild, cpuBuild]
  const mend = "HONE_GPU=1 npm run setup"
  fail(
    attempts,
    "CUDA build",
    `an NVIDIA driver is here, but the CUDA build (${amount}) comes only when asked for`,
    mend
  )
  say(`an NVIDIA driver is here; for training on the GPU (${amount}): ${mend}`)
  return [cpuBuild]
}

function hasNvidiaDriver(root) {
  return ["proc/driver/nvidia/version", "dev/nvidiactl"].some((file) => existsSync(join(root, file)))
}
