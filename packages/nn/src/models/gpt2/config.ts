import { ConfigFields } from "../configFields.ts"

/** The part of a config.json that a GPT-2's numbers depend on, under its own names. */
export interface Gpt2Config {
  readonly vocab_size: number
  readonly n_positions: number
  readonly n_embd: number
  readonly n_layer: number
  readonly n_head: number
  readonly n_inner: number
  readonly activation_function: "gelu_new" | "gelu_pytorch_tanh" | "gelu"
  readonly layer_norm_epsilon: number
  readonly initializer_range: number
  readonly embd_pdrop: number
  readonly attn_pdrop: number
  readonly resid_pdrop: number
  readonly scale_attn_weights: boolean
  readonly scale_attn_by_inverse_layer_idx: boolean
  readonly tie_word_embeddings: boolean
}

/**
 * Reads a parsed config.json of a GPT-2. Defaults are those of transformers' GPT2Config.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseGpt2Config(json: unknown): Gpt2Config {
  const fields = new ConfigFields(json)
  fields.modelType("gpt2")
  fields.only({ add_cross_attention: false })
  const width = fields.whole("n_embd", 768)
  const heads = fields.whole("n_head", 12)
  fields.divides(heads, width, "n_head")
  return {
    vocab_size: fields.whole("vocab_size", 50257),
    n_positions: fields.whole("n_positions", 1024),
    n_embd: width,
    n_layer: fields.whole("n_layer", 12),
    n_head: heads,
    n_inner: fields.whole("n_inner", 4 * width),
    activation_function: fields.choice("activation_function", "gelu_new", ["gelu_new", "gelu_pytorch_tanh", "gelu"]),
    layer_norm_epsilon: fields.real("layer_norm_epsilon", 1e-5, 1),
    initializer_range: fields.real("initializer_range", 0.02, 100),
    embd_pdrop: fields.real("embd_pdrop", 0.1, 0.99),
    attn_pdrop: fields.real("attn_pdrop", 0.1, 0.99),
    resid_pdrop: fields.real("resid_pdrop", 0.1, 0.99),
    scale_attn_weights: fields.flag("scale_attn_weights", true),
    scale_attn_by_inverse_layer_idx: fields.flag("scale_attn_by_inverse_layer_idx", false),
    tie_word_embeddings: fields.flag("tie_word_embeddings", true)
  }
}
