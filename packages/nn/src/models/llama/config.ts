import { UnsupportedConfig } from "../bert/config.ts"
import { ConfigFields } from "../configFields.ts"
import { type RopeConfig, parseRope } from "./rope.ts"

const families = ["llama", "mistral", "qwen2", "qwen3", "gemma2"] as const
type Family = (typeof families)[number]

/** What the decoders with RMSNorm, rotary positions and gated layers have in common, and where they differ, as fields. */
export interface LlamaConfig {
  readonly vocab_size: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly hidden_act: "silu" | "gelu_pytorch_tanh"
  readonly rms_norm_eps: number
  readonly initializer_range: number
  readonly attention_dropout: number
  readonly tie_word_embeddings: boolean
  readonly rope: RopeConfig
  /** Of each layer: how many tokens of the past it sees; null: all. */
  readonly windows: ReadonlyArray<number | null>
  /** Biases of the query, key and value layers, and of the layer behind attention. */
  readonly qkv_bias: boolean
  readonly output_bias: boolean
  readonly mlp_bias: boolean
  /** Whether queries and keys are normalised, head by head (Qwen3). */
  readonly qk_norm: boolean
  /** Scores are products of queries and keys times this. */
  readonly attention_scale: number
  /** Gemma 2: scales are stored less 1, embeddings are multiplied with the root of the width, layers are normalised on both sides. */
  readonly gemma: boolean
  readonly attn_logit_softcapping: number | null
  readonly final_logit_softcapping: number | null
}

/** Where the families' defaults differ. Source: transformers' configuration classes. */
const defaults: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  llama: {
    vocab_size: 32000,
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32
  },
  mistral: {
    vocab_size: 32000,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8
  },
  qwen2: {
    vocab_size: 151936,
    hidden_size: 4096,
    intermediate_size: 22016,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32
  },
  qwen3: {
    vocab_size: 151936,
    hidden_size: 4096,
    intermediate_size: 22016,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    head_dim: 128
  },
  gemma2: {
    vocab_size: 256000,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256
  }
}

/** Which layers look through a window: `layer_types` as version 5 writes them, else by the family's rule in version 4. */
function windowsOf(fields: ConfigFields, family: Family, layers: number): Array<number | null> {
  const slides =
    family === "mistral" || family === "gemma2" || (family !== "llama" && fields.flag("use_sliding_window", false))
  const fallback = family === "llama" || fields.raw("sliding_window") !== undefined ? undefined : 4096
  const unset = family === "mistral" && fields.raw("sliding_window") === undefined
  const window = slides && !unset ? fields.whole("sliding_window", fallback) : null
  const types = fields.raw("layer_types")
  if (types !== undefined) return typedWindows(types, layers, window)
  const first = fields.raw("max_window_layers") === undefined ? 28 : fields.real("max_window_layers", 28, 1e6)
  return Array.from({ length: layers }, (_, layer) => {
    if (family === "gemma2") return layer % 2 === 0 ? window : null
    return family === "mistral" || layer >= first ? window : null
  })
}

function typedWindows(types: unknown, layers: number, window: number | null): Array<number | null> {
  const known = ["sliding_attention", "full_attention"]
  if (!Array.isArray(types) || types.length !== layers || types.some((type) => !known.includes(type)))
    throw new UnsupportedConfig("layer_types", types, `${layers} of "sliding_attention" and "full_attention"`)
  if (types.includes("sliding_attention") && window === null)
    throw new UnsupportedConfig("sliding_window", null, "a number, since layer_types names layers that slide")
  return types.map((type) => (type === "sliding_attention" ? window : null))
}

const capOf = (fields: ConfigFields, key: string): number | null =>
  fields.raw(key) === undefined ? null : fields.real(key, 0, 1e9)

/**
 * Reads a parsed config.json of Llama, Mistral, Qwen2, Qwen3 or Gemma 2, as transformers 4 or 5 wrote it.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseLlamaConfig(json: unknown): LlamaConfig {
  const fields = new ConfigFields(json)
  const family = fields.modelType(...families) as Family
  const gemma = family === "gemma2"
  const size = (key: string, fallback?: number) => fields.whole(key, defaults[family][key] ?? fallback)
  const heads = size("num_attention_heads")
  const layers = size("num_hidden_layers")
  const hidden = size("hidden_size")
  const keyHeads = size("num_key_value_heads", heads)
  fields.divides(keyHeads, heads, "num_key_value_heads")
  if (fields.raw("head_dim") === undefined && defaults[family]["head_dim"] === undefined)
    fields.divides(heads, hidden, "num_attention_heads")
  const head_dim = size("head_dim", hidden / heads)
  fields.divides(2, head_dim, "head_dim")
  fields.only({ use_bidirectional_attention: false, pretraining_tp: 1 })
  const attention_bias = family === "mistral" ? false : fields.flag("attention_bias", false)
  const act = gemma ? "gelu_pytorch_tanh" : "silu"
  const scale = gemma ? fields.real("query_pre_attn_scalar", 256, 1e9) : head_dim
  return {
    vocab_size: size("vocab_size"),
    hidden_size: hidden,
    intermediate_size: size("intermediate_size"),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    head_dim,
    hidden_act: fields.choice(gemma ? "hidden_activation" : "hidden_act", act, ["silu", "gelu_pytorch_tanh"]),
    rms_norm_eps: fields.real("rms_norm_eps", 1e-6, 1),
    initializer_range: fields.real("initializer_range", 0.02, 100),
    attention_dropout: fields.real("attention_dropout", 0, 0.99),
    tie_word_embeddings: fields.flag("tie_word_embeddings", gemma),
    rope: parseRope(fields),
    windows: windowsOf(fields, family, layers),
    qkv_bias: family === "qwen2" || attention_bias,
    output_bias: family !== "qwen2" && attention_bias,
    mlp_bias: family === "llama" && fields.flag("mlp_bias", false),
    qk_norm: family === "qwen3",
    attention_scale: 1 / Math.sqrt(scale),
    gemma,
    attn_logit_softcapping: gemma ? capOf(fields, "attn_logit_softcapping") : null,
    final_logit_softcapping: gemma ? capOf(fields, "final_logit_softcapping") : null
  }
}
