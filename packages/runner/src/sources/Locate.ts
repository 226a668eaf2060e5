import { existsSync, realpathSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, isAbsolute, join, resolve, sep } from "node:path"
import type { SourceProblem } from "@hone/core/Services"
import { filesAt, pathKind } from "@hone/steps/ingest/files"

const problem = (message: string, hint: string): SourceProblem => ({ message, hint })

const npmSpec = /^npm:((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/u

/** Folders named node_modules from `start` upwards. */
function* moduleFolders(start: string): Generator<string> {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    yield join(folder, "node_modules")
    if (dirname(folder) === folder) return
  }
}

const isInside = (path: string, root: string) => path === root || path.startsWith(root + sep)

const inPackage = (spec: string, from: ReadonlyArray<string>): string | SourceProblem => {
  const [, name = "", inner = ""] = npmSpec.exec(spec) ?? []
  if (name === "") return problem(`\`${spec}\` names no package`, "write npm:package/path/in/it")
  const root = from
    .flatMap((start) => [...moduleFolders(start)].map((folder) => join(folder, name)))
    .find((path) => existsSync(path))
  if (root === undefined) return problem(`the npm package \`${name}\` is not installed`, `npm install ${name}`)
  const path = join(root, inner)
  if (!isInside(path, root)) return problem(`\`${spec}\` leads out of the package`, "name a file inside it")
  if (pathKind(path) === "pattern") return matching(spec, path)
  if (!existsSync(path))
    return problem(`the package \`${name}\` has no \`${inner}\``, `look in ${name}'s folder for the right name`)
  // A link may lead out even where the text does not.
  return isInside(realpathSync(path), realpathSync(root))
    ? path
    : problem(`\`${spec}\` is a link out of the package`, "name a real file")
}

const matching = (spec: string, path: string): string | SourceProblem =>
  filesAt(path).length > 0
    ? path
    : problem(
        `no file matches \`${spec}\``,
        "* stands for any name, ** for any folders; relative paths count from the pipeline's folder"
      )

/**
 * The path behind a source: a file, folder or pattern relative to the pipeline, or `npm:package/path`, looked for in the node_modules
 * above the pipeline and then in Hone's own.
 */
export const locate = (spec: string, pipelineFolder: string, ownFolder: string): string | SourceProblem => {
  if (spec.startsWith("npm:")) return inPackage(spec, [pipelineFolder, ownFolder])
  const scheme = /^([a-z][a-z0-9+]+):/u.exec(spec)?.[1]
  if (scheme !== undefined)
    return problem(
      `sources of the form \`${scheme}:\` are not known`,
      "write a path, npm:package/path, hf:org/name@revision/path or an https address"
    )
  if (spec === "") return problem("the source is empty", "write a path, or npm:package/path")
  const expanded = spec.startsWith("~/") ? join(homedir(), spec.slice(2)) : spec
  const path = isAbsolute(expanded) ? expanded : resolve(pipelineFolder, expanded)
  if (pathKind(path) === "pattern") return matching(spec, path)
  if (!existsSync(path))
    return problem(`there is no \`${spec}\``, `it would be ${path}; relative paths count from the pipeline's folder`)
  return path
}
