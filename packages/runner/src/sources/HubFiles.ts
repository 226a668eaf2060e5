import { FetchProblem } from "./Download.ts"

const dataFile = /\.(csv|tsv|jsonl?|parquet|arrow|txt)(\.gz|\.zst)?$/iu

/** The only file of data that a repository has. Fails by FetchProblem where it has none or several. */
export const onlyDataFile = (spec: string, names: ReadonlyArray<string>): string => {
  const data = names.filter((name) => dataFile.test(name))
  if (data.length === 1) return data[0]!
  const hint =
    data.length === 0
      ? "name a file of it after a slash"
      : `write one of: ${data.slice(0, 10).join(", ")}, or a pattern`
  throw new FetchProblem(`\`${spec}\` names no file, and the repository has ${data.length} files of data`, hint)
}

/** The index of weights that are parted into shards: tensor name -> file. */
export const SHARD_INDEX = "model.safetensors.index.json"

/** What a model's folder is made of, by names within the folder. */
export interface ModelFiles {
  /** Config, tokenizer and what else is small: every JSON and text file that lies in the folder itself. */
  readonly texts: ReadonlyArray<string>
  /** The files of weights; empty where only the index tells which they are. */
  readonly weights: ReadonlyArray<string>
}

/**
 * What of a repository's files belongs to the model in `folder` ("" for the repository itself). Copies of the weights in other
 * formats, and whatever lies deeper, stay out. Fails by FetchProblem where there is no config.json, or no safetensors.
 */
export const modelFiles = (spec: string, names: ReadonlyArray<string>, folder: string): ModelFiles => {
  const prefix = folder === "" ? "" : `${folder}/`
  const own = names.flatMap((name) =>
    name.startsWith(prefix) && !name.slice(prefix.length).includes("/") ? [name.slice(prefix.length)] : []
  )
  if (!own.includes("config.json")) {
    const folders = names.flatMap((name) =>
      name.endsWith("/config.json") ? [name.slice(0, -"/config.json".length)] : []
    )
    const hint =
      folders.length === 0
        ? "name a repository of a model in Hugging Face's layout: config.json, model.safetensors, tokenizer.json"
        : `it has one in: ${folders.slice(0, 10).join(", ")}; name the folder after a slash`
    throw new FetchProblem(`\`${spec}\` has no config.json`, hint)
  }
  const texts = own.filter((name) => /\.(json|txt)$/u.test(name))
  const whole = own.filter((name) => /^model(\.[^/]*)?\.safetensors$/u.test(name))
  if (whole.includes("model.safetensors"))
    return { texts: texts.filter((name) => name !== SHARD_INDEX), weights: ["model.safetensors"] }
  if (texts.includes(SHARD_INDEX)) return { texts, weights: [] }
  if (whole.length === 1) return { texts, weights: whole }
  const others = own.filter((name) => /\.(bin|h5|msgpack|onnx|gguf|pt|pth|safetensors)$/u.test(name))
  throw new FetchProblem(
    `\`${spec}\` has no model.safetensors${others.length === 0 ? "" : `, only ${others.slice(0, 5).join(", ")}`}`,
    "pickled weights are not read, since they run code: load the model in Python, and name the folder that model.save_pretrained(folder) writes"
  )
}

/** The shards that an index names, in order. Fails by FetchProblem where it is no index, or the repository lacks one of them. */
export const shardsOf = (
  spec: string,
  index: string,
  names: ReadonlyArray<string>,
  folder: string
): ReadonlyArray<string> => {
  const shards = new Set<string>()
  try {
    const { weight_map } = JSON.parse(index) as { readonly weight_map: Readonly<Record<string, string>> }
    for (const file of Object.values(weight_map)) shards.add(file)
  } catch {
    // Told below, as an index that names nothing.
  }
  const missing = [...shards].filter((name) => !names.includes(folder === "" ? name : `${folder}/${name}`))
  if (shards.size === 0 || missing.length > 0)
    throw new FetchProblem(
      `${SHARD_INDEX} of \`${spec}\` ${shards.size === 0 ? "names no weights" : `names ${missing.join(", ")}, which the repository lacks`}`,
      "take another revision of the repository"
    )
  return [...shards].sort()
}
