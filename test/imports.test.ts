import { readFileSync, readdirSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { build, type Metafile } from "esbuild"
import { assert, it } from "vitest"
import { bundleOptions } from "../scripts/bundle/options.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What each package may import of ours. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  core: [],
  nn: [],
  steps: ["core", "nn"],
  runner: ["core", "nn", "steps"]
}

/** What a package must not know, tests aside: core opens no file, nn is nothing but tensors. */
const foreign: Readonly<Record<string, RegExp>> = {
  core: /^node:(fs|child_process|net|http|https|os|worker_threads)|^apache-arrow|^@tensorflow|^koffi/,
  nn: /^effect|^@effect|^apache-arrow|^yaml$/
}

interface Import {
  readonly file: string
  readonly owner: string
  readonly specifier: string
}

function importLines(): Array<Import> {
  return Object.keys(allowed).flatMap((owner) => {
    const source = join(root, "packages", owner, "src")
    const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"))
    return files.flatMap((path) => {
      const text = readFileSync(join(source, path), "utf8")
      const found = text.matchAll(
        /^(?:import|export)\b[^"';]*?from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm
      )
      return Array.from(found, ([, from, bare, dynamic]) => ({
        file: relative(root, join(source, path)),
        owner,
        specifier: from ?? bare ?? dynamic ?? ""
      }))
    })
  })
}

it("imports point one way: core and nn know nothing of ours, steps know both, the runner knows all", () => {
  const lines = importLines()
  assert.isAbove(lines.length, 100, "the import lines are found at all")
  const wrong = lines.filter(({ owner, specifier }) => {
    const of = /^@hone\/([^/]+)/.exec(specifier)?.[1]
    return of !== undefined && of !== owner && !allowed[owner]?.includes(of)
  })
  assert.deepStrictEqual(wrong, [])
})

it("no package reaches into another by a relative path", () => {
  const wrong = importLines().filter(({ file, owner, specifier }) => {
    const target = relative(root, join(root, dirname(file), specifier))
    return specifier.startsWith(".") && !target.startsWith(join("packages", owner, "src"))
  })
  assert.deepStrictEqual(wrong, [])
})

/** What each layer of nn may import of its files and folders; models, networks and trainings stand above all of these. */
const layers: Readonly<Record<string, ReadonlyArray<string>>> = {
  graph: ["primitives.ts"],
  "primitives.ts": ["graph"],
  "autodiff.ts": ["graph"],
  ops: ["graph", "autodiff.ts"],
  lower: ["graph", "primitives.ts"],
  random: [],
  engines: ["graph", "primitives.ts", "lower", "random"]
}

it("layers of nn know those before them alone: no operation an engine, no engine an operation or a model", () => {
  const source = join("packages", "nn", "src")
  const layerOf = (path: string) => relative(source, path).split("/")[0]!
  const lines = importLines().filter(
    ({ file, owner, specifier }) => owner === "nn" && !file.endsWith(".test.ts") && specifier.startsWith(".")
  )
  const crossings = lines.map(({ file, specifier }) => ({
    file,
    from: layerOf(file),
    to: layerOf(relative(root, join(root, dirname(file), specifier)))
  }))
  const known = crossings.filter(({ from, to }) => from in layers && from !== to)
  assert.isAbove(known.length, 80, "the import lines are found at all")
  assert.deepStrictEqual(
    known.filter(({ from, to }) => !layers[from]!.includes(to)),
    []
  )
})

it("core opens no file, and nn knows neither Effect nor Arrow nor YAML", () => {
  const wrong = importLines().filter(
    ({ file, owner, specifier }) => !/\.test\.ts$/.test(file) && foreign[owner]?.test(specifier)
  )
  assert.deepStrictEqual(wrong, [])
})

it("starting the command loads neither Arrow nor tensors", async () => {
  const { metafile } = await build({ ...bundleOptions(root, join(root, "unwritten")), write: false })
  const loaded = staticallyLoaded(metafile, "unwritten/main.mjs")
  assert.isTrue(loaded.has("packages/runner/src/main.ts"))
  const heavy = [...loaded].filter((path) => /apache-arrow|@tensorflow|koffi|tokenizers|^packages\/nn\//.test(path))
  assert.deepStrictEqual(heavy, [])
})

/** Modules whose code runs, and packages that are loaded, when an output is imported: all but what `import()` defers. */
function staticallyLoaded(metafile: Metafile, entry: string): Set<string> {
  const loaded = new Set<string>()
  const outputs = [entry]
  for (const path of outputs) {
    const output = metafile.outputs[path]
    assert.isDefined(output, path)
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) if (bytesInOutput > 0) loaded.add(input)
    for (const { external, kind, path: next } of output.imports) {
      if (kind === "dynamic-import") continue
      if (external) loaded.add(next)
      else if (!outputs.includes(next)) outputs.push(next)
    }
  }
  return loaded
}
