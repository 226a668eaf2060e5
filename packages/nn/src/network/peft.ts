import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { UnsupportedConfig } from "../models/bert/config.ts"
import { ConfigFields } from "../models/configFields.ts"
import { openSafetensors, writeSafetensors } from "../weights/safetensors.ts"
import { adaptedLayers, adapterSpecs, BadAdapter, type LoraOptions, trainsInLora } from "./lora.ts"
import type { Network } from "./Network.ts"

const CONFIG = "adapter_config.json"
const WEIGHTS = "adapter_model.safetensors"
/** What peft puts in front of the names of the model that it wraps. */
const PREFIX = "base_model.model."

/** Switches of peft that change the numbers and are not computed here: they must be off. */
const switches = [
  "use_dora",
  "use_qalora",
  "use_bdlora",
  "lora_bias",
  "layer_replication",
  "layers_to_transform",
  "trainable_token_indices"
]
const emptied = ["rank_pattern", "alpha_pattern", "loftq_config", "target_parameters", "exclude_modules"]

function refuseSwitches(fields: ConfigFields): void {
  for (const key of switches) {
    const value = fields.raw(key)
    if (value !== undefined && value !== false) throw new UnsupportedConfig(key, value, "off")
  }
  for (const key of emptied) {
    const value = fields.raw(key)
    if (value !== undefined && Object.keys(value as object).length > 0) throw new UnsupportedConfig(key, value, "empty")
  }
}

function strings(fields: ConfigFields, key: string): ReadonlyArray<string> {
  const value = fields.raw(key) ?? []
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string"))
    throw new UnsupportedConfig(key, value, "a list of names")
  return value
}

/** Reads a parsed adapter_config.json. Throws UnsupportedConfig for what would change the numbers and that the graph does not compute. */
export function parsePeftConfig(json: unknown): LoraOptions {
  const fields = new ConfigFields(json)
  refuseSwitches(fields)
  fields.only({ bias: "none" })
  if (fields.raw("peft_type") !== "LORA") throw new UnsupportedConfig("peft_type", fields.raw("peft_type"), '"LORA"')
  const targets = fields.raw("target_modules")
  if (targets === "all-linear")
    throw new UnsupportedConfig("target_modules", targets, "names of layers, or a pattern of them")
  return {
    r: fields.whole("r", 8),
    lora_alpha: fields.real("lora_alpha", 8, 1e9),
    lora_dropout: fields.real("lora_dropout", 0, 0.99),
    use_rslora: fields.flag("use_rslora", false),
    fan_in_fan_out: fields.flag("fan_in_fan_out", false),
    target_modules: typeof targets === "string" ? targets : strings(fields, "target_modules"),
    modules_to_save: strings(fields, "modules_to_save")
  }
}

/** An adapter as a folder holds it. */
export interface PeftAdapter {
  readonly options: LoraOptions
  /** Adapters, and the layers that are saved with them, by the network's names. */
  readonly weights: Map<string, Float32Array>
}

/** Names and shapes of what a folder must hold. Heads that are named for other tasks too (`score`) need not be there. */
function savedSpecs(network: Network, options: LoraOptions) {
  const trains = trainsInLora(options)
  return [
    ...network.parameters.filter(({ name }) => trains(name)),
    ...adapterSpecs(adaptedLayers(network, options), options)
  ]
}

/**
 * Reads a folder that peft wrote for a model of this network.
 *
 * Fails with UnsupportedConfig, with BadAdapter where names or shapes are not those of the network, with BadSafetensors.
 */
export async function readPeftFolder(network: Network, folder: string): Promise<PeftAdapter> {
  const options = parsePeftConfig(JSON.parse(await readFile(join(folder, CONFIG), "utf8")))
  await using file = await openSafetensors(join(folder, WEIGHTS))
  const left = new Set(file.tensors.keys())
  const weights = new Map<string, Float32Array>()
  for (const { name, shape } of savedSpecs(network, options)) {
    const found = file.tensors.get(`${PREFIX}${name}`)
    if (found === undefined) throw new BadAdapter(name, `is missing in ${WEIGHTS}`)
    if (found.shape.join() !== shape.join())
      throw new BadAdapter(
        name,
        `has shape [${found.shape.join(", ")}] in ${WEIGHTS}, and must have [${shape.join(", ")}]`
      )
    weights.set(name, await file.read(found.name))
    left.delete(found.name)
  }
  for (const name of left) throw new BadAdapter(name, `of ${WEIGHTS} has no place in this network`)
  return { options, weights }
}

export interface PeftFolder extends PeftAdapter {
  readonly base_model_name_or_path: string
  /** As peft names it: SEQ_CLS, CAUSAL_LM, SEQ_2_SEQ_LM, TOKEN_CLS. */
  readonly task_type: string
}

/** Writes a folder that peft reads. */
export async function writePeftFolder(network: Network, folder: string, adapter: PeftFolder): Promise<void> {
  const { base_model_name_or_path, options, task_type, weights } = adapter
  await mkdir(folder, { recursive: true })
  const tensors = savedSpecs(network, options).map(({ name, shape }) => {
    const values = weights.get(name)
    if (values === undefined) throw new BadAdapter(name, "has no values to write")
    return { name: `${PREFIX}${name}`, shape, values }
  })
  await writeSafetensors(join(folder, WEIGHTS), tensors, { format: "pt" })
  const { modules_to_save, ...rest } = options
  const config = {
    peft_type: "LORA",
    task_type,
    base_model_name_or_path,
    bias: "none",
    inference_mode: true,
    init_lora_weights: true,
    ...rest,
    modules_to_save: modules_to_save.length === 0 ? null : modules_to_save
  }
  await writeFile(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`)
}
