import { readFileSync } from "node:fs"
import { join, matchesGlob } from "node:path"
import { FetchProblem, type Fetching } from "./Download.ts"
import { modelFiles, onlyDataFile, SHARD_INDEX, shardsOf } from "./HubFiles.ts"
import { HubRepository, type HubSpec } from "./HubRepository.ts"

// None of them is `..`: they are folders of the cache.
const pattern = /^hf:(?<name>\w[\w.-]*\/\w[\w.-]*)(?:@(?<revision>[^/.][^/]*))?(?:\/(?<path>.+))?$/u
const isGlob = (path: string): boolean => /[*?[{]/u.test(path)

const parse = (spec: string, otherwise: string): HubSpec => {
  const groups = pattern.exec(spec)?.groups
  if (groups === undefined) throw new FetchProblem(`\`${spec}\` names nothing on a hub`, otherwise)
  const path = (groups["path"] ?? "").replace(/\/+$/u, "")
  if (path.split("/").includes(".."))
    throw new FetchProblem(`\`${spec}\` leads out of the repository`, "name a file inside it")
  return { spec, name: groups["name"]!, revision: groups["revision"] ?? "main", path }
}

/**
 * The files behind `hf:org/name@revision/path` in the cache, fetched where they are missing: by the hub's addresses
 * (`/datasets/org/name/resolve/REVISION/path`), from HF_ENDPOINT where it is set. A revision that is a name stands for the commit
 * that it had when it was first asked for: what is cached stays as it is, and needs no connection. Gives a path, or a pattern of
 * them where the source is one; without a path it is the one data file that there is. Fails by FetchProblem.
 */
export const dataFromHub = async (spec: string, cache: string, fetching: Fetching): Promise<string> => {
  const of = parse(spec, "write hf:org/name@revision/path/of/file")
  const repository = new HubRepository("datasets", of, cache, fetching)
  if (of.path !== "" && !isGlob(of.path)) return repository.file(of.path)
  const names = await repository.list()
  if (of.path === "") return repository.file(onlyDataFile(spec, names))
  const wanted = names.filter((name) => matchesGlob(name, of.path))
  if (wanted.length === 0)
    throw new FetchProblem(`no file of the repository matches \`${spec}\``, `it has ${names.slice(0, 10).join(", ")}`)
  for (const name of wanted) await repository.file(name)
  return join(repository.folder, of.path)
}

/**
 * The folder of the model `hf:org/name@revision` (or of `hf:org/name@revision/folder`) in the cache: config, tokenizer, and the
 * weights in safetensors, whole or in shards. What was said of revisions and of the cache above holds here too.
 * @param suits asked of the folder before its weights are fetched, which may be large; where it says no, they are left out
 */
export const modelFromHub = async (
  spec: string,
  cache: string,
  fetching: Fetching,
  suits: (folder: string) => Promise<boolean>
): Promise<string> => {
  const of = parse(spec, "write hf:org/name, or hf:org/name@revision")
  const repository = new HubRepository("models", of, cache, fetching)
  const names = await repository.list()
  const { texts, weights } = modelFiles(spec, names, of.path)
  const fetch = (name: string) => repository.file(of.path === "" ? name : `${of.path}/${name}`)
  for (const name of texts) await fetch(name)
  const folder = join(repository.folder, of.path)
  if (!(await suits(folder))) return folder
  const shards =
    weights.length > 0 ? weights : shardsOf(spec, readFileSync(join(folder, SHARD_INDEX), "utf8"), names, of.path)
  for (const name of shards) await fetch(name)
  return folder
}
