// Bundles the command line and the worker, and writes what a launcher and a plan need to know about their sources.
// Result: packages/runner/bundle/{hone.mjs, sources.json, implementation.json, <id>/{main,worker,...}.mjs, <id>/sweep-page.{js,css}}.
// Each bundle has a folder of its own that is never rewritten: a run that is under way keeps its own code.
import { createHash } from "node:crypto"
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join, relative } from "node:path"
import { build } from "esbuild"
import { bundleOptions, pageOptions } from "./bundle/options.mjs"
import { implementationDigests, readLock } from "./bundle/implementation.mjs"
import { partialFolder, publishFolder, sweepPartials, writeJson } from "./setup/files.mjs"
import { withLock } from "./setup/lock.mjs"
import { root } from "./setup/places.mjs"

const bundles = join(root, "packages", "runner", "bundle")
// What lies in packages without being a source.
const made = /^packages\/[^/]+\/(node_modules|dist|bundle)\//
const keptMs = 2 * 24 * 3600 * 1000

const wait = () => process.stderr.write("hone: another process is bundling: waiting for it\n")

try {
  await withLock(bundles, wait, async () => {
    sweepPartials(bundles)
    await bundle()
  })
} catch (cause) {
  // What the sources lack has been printed by esbuild, with the place.
  process.stderr.write(`hone: bundling failed: ${cause.message.split("\n")[0]}\n`)
  process.exitCode = 1
}

async function bundle() {
  // Stat before reading: a source edited meanwhile then differs from what is written down, and the next start bundles again.
  const began = statOwnSources()
  const partial = partialFolder(bundles)
  try {
    const main = await build(bundleOptions(root, partial))
    const page = await build(pageOptions(root, partial))
    await bundleLauncher(partial)
    const modules = await implementationDigests(root, ownEntries(), readLock(root))
    writeJson(join(partial, "implementation.json"), { modules })
    const inputs = [main, page].flatMap(({ metafile }) => Object.keys(metafile.inputs))
    publish(partial, began, inputs, modules)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

function bundleLauncher(outdir) {
  return build({
    entryPoints: { hone: join(root, "scripts/bundle/launch.mjs") },
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning"
  })
}

/** Where steps and engines begin: what they import dynamically are the parts that cache keys name. */
function ownEntries() {
  return ["steps/src/registry.ts", "nn/src/index.ts"]
    .map((path) => join(root, "packages", path))
    .filter((file) => existsSync(file))
}

function statOwnSources() {
  const files = []
  for (const folder of ["packages", "scripts"]) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name)
      if (entry.isFile() && /\.(ts|mjs|json|css)$/.test(entry.name) && !made.test(relative(root, file)))
        files.push(file)
    }
  }
  return new Map([...files, join(root, "package-lock.json")].map((file) => [relative(root, file), stamp(file)]))
}

function stamp(file) {
  const { size, mtimeNs } = statSync(file, { bigint: true })
  return [Number(size), String(mtimeNs)]
}

function publish(partial, began, inputs, modules) {
  const used = new Set([
    ...inputs.filter((path) => !path.includes("node_modules/")),
    ...[...began.keys()].filter((path) => /^scripts\/bundle|package(-lock)?\.json$/.test(path)),
    ...[...began.keys()].filter((path) => /^packages\/(core|nn|steps)\/src\//.test(path) && !/\.test\.ts$/.test(path))
  ])
  const sources = [...used].sort().map((path) => [path, ...(began.get(path) ?? [0, "0"])])
  const folder = createHash("sha256").update(JSON.stringify(sources)).digest("hex").slice(0, 16)
  renameSync(join(partial, "hone.mjs"), join(bundles, "hone.mjs"))
  publishFolder(partial, join(bundles, folder), (place) => existsSync(join(place, "implementation.json")))
  writeJson(join(bundles, "implementation.json"), { modules })
  writeJson(join(bundles, "sources.json"), { folder, sources })
  forgetOldBundles(folder)
}

/** A run may still be loading parts of an older bundle: those of the last two days stay. */
function forgetOldBundles(newest) {
  for (const entry of readdirSync(bundles, { withFileTypes: true })) {
    const place = join(bundles, entry.name)
    if (!entry.isDirectory() || entry.name === newest) continue
    if (Date.now() - statSync(place).mtimeMs > keptMs) rmSync(place, { recursive: true, force: true })
  }
}
