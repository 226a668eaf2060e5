import {
  bertForSequences,
  type CausalNetwork,
  gpt2,
  llama,
  type LoraOptions,
  type Network,
  parseBertConfig,
  parseGpt2Config,
  parseLlamaConfig,
  parseT5Config,
  parseVitConfig,
  t5,
  vitForImages
} from "@hone/nn"

export type ModelName = "minilm" | "bert-base" | "gpt2" | "smollm2-135m" | "t5-small" | "vit-s14"

/** Classes of the models that sort rows or images. */
export const LABELS = 2

interface Shape {
  /** config.json as Hugging Face's model would have it, without dropout. */
  readonly config: Readonly<Record<string, unknown>>
  readonly vocabulary: number
  readonly network: (config: unknown) => Network
}

const bertBase: Shape = {
  config: {
    model_type: "bert",
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    vocab_size: 30522,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0
  },
  vocabulary: 30522,
  network: (config) => bertForSequences(parseBertConfig(config), LABELS)
}

const gpt2Small: Shape = {
  config: {
    model_type: "gpt2",
    vocab_size: 50257,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    n_positions: 1024,
    embd_pdrop: 0,
    attn_pdrop: 0,
    resid_pdrop: 0
  },
  vocabulary: 50257,
  network: (config) => gpt2(parseGpt2Config(config))
}

const smollm2: Shape = {
  config: {
    model_type: "llama",
    vocab_size: 49152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 100_000,
    tie_word_embeddings: true
  },
  vocabulary: 49152,
  network: (config) => llama(parseLlamaConfig(config))
}

const t5Small: Shape = {
  config: {
    model_type: "t5",
    vocab_size: 32128,
    d_model: 512,
    d_kv: 64,
    d_ff: 2048,
    num_layers: 6,
    num_heads: 8,
    dropout_rate: 0,
    feed_forward_proj: "relu",
    tie_word_embeddings: true,
    decoder_start_token_id: 0,
    pad_token_id: 0
  },
  vocabulary: 32128,
  network: (config) => t5(parseT5Config(config))
}

const vitS14: Shape = {
  config: {
    model_type: "vit",
    hidden_size: 384,
    num_hidden_layers: 12,
    num_attention_heads: 6,
    intermediate_size: 1536,
    image_size: 224,
    patch_size: 14,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0
  },
  vocabulary: 0,
  network: (config) => vitForImages(parseVitConfig(config), LABELS)
}

/** The shapes that are filled with fresh weights; MiniLM is read from its package. */
export const shapes: Readonly<Record<Exclude<ModelName, "minilm">, Shape>> = {
  "bert-base": bertBase,
  gpt2: gpt2Small,
  "smollm2-135m": smollm2,
  "t5-small": t5Small,
  "vit-s14": vitS14
}

export const causalOf = (model: "gpt2" | "smollm2-135m", config: unknown): CausalNetwork =>
  model === "gpt2" ? gpt2(parseGpt2Config(config)) : llama(parseLlamaConfig(config))

export const isCausal = (model: ModelName): model is "gpt2" | "smollm2-135m" =>
  model === "gpt2" || model === "smollm2-135m"

/** Adapters on the four projections of attention, as peft would put them there. */
export const loraOf = (rank: number): LoraOptions => ({
  r: rank,
  lora_alpha: 2 * rank,
  lora_dropout: 0,
  use_rslora: false,
  fan_in_fan_out: false,
  target_modules: ["q_proj", "k_proj", "v_proj", "o_proj"],
  modules_to_save: []
})
