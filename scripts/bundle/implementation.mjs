// Implementation digests: what code a step would run, as one digest for each dynamically imported part.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { join, relative } from "node:path"
import { build } from "esbuild"

const partScheme = "part:"

/**
 * Digests of every part reachable from `entries` by dynamic import.
 *
 * A part is a module that is the target of an `import()`. Its digest covers the code it reaches by static imports, as a
 * bundler sees it: unused code, comments, white space and types are gone; other parts are named, not included; npm packages
 * stand as name@version, with all that they depend on. Renaming a file leaves digests alone unless it holds a part.
 *
 * @param root the clone
 * @param entries absolute paths of modules to start from; they get no digest themselves
 * @param lock the parsed package-lock.json
 * @returns {Promise<Record<string, { digest: string, imports: Array<string> }>>} by part = path below packages/ without src/
 *   and extension; `imports` are the parts that its code may load
 */
export async function implementationDigests(root, entries, lock) {
  const parts = new Map()
  const starts = await bundleParts(root, entries, lock)
  let wanted = starts.flatMap(({ targets }) => targets)
  while (wanted.length > 0) {
    const files = [...new Set(wanted)].filter((file) => !parts.has(file))
    if (files.length === 0) break
    for (const part of await bundleParts(root, files, lock)) parts.set(part.file, part)
    wanted = files.flatMap((file) => parts.get(file).targets)
  }
  const described = [...parts.values()].map(({ file, digest, targets }) => {
    const imports = [...new Set(targets.map((target) => partName(root, target)))].sort()
    return [partName(root, file), { digest, imports }]
  })
  return Object.fromEntries(described.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** "steps/split/run" for packages/steps/src/split/run.ts. */
function partName(root, file) {
  return relative(join(root, "packages"), file)
    .replace(/^([^/]+)\/src\//, "$1/")
    .replace(/\.[cm]?[jt]s$/, "")
}

async function bundleParts(root, files, lock) {
  if (files.length === 0) return []
  const { outputFiles, metafile } = await build({
    entryPoints: files,
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    target: "node22",
    treeShaking: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "silent",
    outdir: join(root, "packages"),
    outbase: join(root, "packages"),
    outExtension: { ".js": ".mjs" },
    plugins: [cutAtParts(root)]
  })
  const texts = new Map(outputFiles.map((file) => [relative(root, file.path), file.text]))
  return Object.entries(metafile.outputs).map(([path, output]) => {
    const imported = output.imports.map((line) => line.path)
    return {
      file: join(root, output.entryPoint),
      targets: imported
        .filter((name) => name.startsWith(partScheme))
        .map((name) => join(root, name.slice(partScheme.length))),
      digest: digestOf(texts.get(path), lockedClosure(lock, imported.filter(isPackage)))
    }
  })
}

function digestOf(text, packages) {
  const hash = createHash("sha256").update("hone-implementation/1")
  for (const name of packages) hash.update(`\0${name}`)
  return hash.update("\0\0").update(text).digest("hex")
}

/** Leaves npm packages and dynamically imported modules outside: the former by name, the latter as `part:<path>`. */
function cutAtParts(root) {
  return {
    name: "cut-at-parts",
    setup(esbuild) {
      esbuild.onResolve({ filter: /.*/ }, async ({ path, kind, resolveDir, pluginData }) => {
        if (kind === "entry-point" || pluginData === "again") return undefined
        const own = path.startsWith(".") || path.startsWith("@hone/")
        if (!own) return { path, external: true, sideEffects: false }
        if (kind !== "dynamic-import") return undefined
        const found = await esbuild.resolve(path, { kind: "import-statement", resolveDir, pluginData: "again" })
        if (found.errors.length > 0) return { errors: found.errors }
        return { path: `${partScheme}${relative(root, found.path)}`, external: true }
      })
    }
  }
}

function isPackage(path) {
  return !path.startsWith(partScheme) && !path.startsWith("node:") && !builtinModules.includes(path)
}

/** The packages and all that they depend on, as sorted "name@version", found as Node finds them from the root. */
function lockedClosure(lock, specifiers) {
  const seen = new Map()
  const queue = specifiers.map((specifier) => [packageName(specifier), ""])
  while (queue.length > 0) {
    const [name, from] = queue.pop()
    const place = resolvePlace(lock, name, from)
    if (place === undefined || seen.has(place)) continue
    const entry = lock.packages[place]
    seen.set(place, `${name}@${entry.version}`)
    for (const next of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) queue.push([next, place])
  }
  return [...new Set(seen.values())].sort()
}

function packageName(specifier) {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
}

function resolvePlace(lock, name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const place = at ? `${at}/node_modules/${name}` : `node_modules/${name}`
    if (lock.packages[place]) return place
    if (!at) return undefined
  }
}

/** The lock file of a clone. */
export function readLock(root) {
  return JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"))
}
