import { ConfigFields } from "../configFields.ts"

/** The part of a config.json that a T5's numbers depend on, under its own names. */
export interface T5Config {
  readonly vocab_size: number
  readonly d_model: number
  readonly d_kv: number
  readonly d_ff: number
  readonly num_layers: number
  readonly num_decoder_layers: number
  readonly num_heads: number
  readonly relative_attention_num_buckets: number
  readonly relative_attention_max_distance: number
  readonly dropout_rate: number
  readonly layer_norm_epsilon: number
  readonly initializer_factor: number
  readonly feed_forward_proj: "relu" | "gated-gelu"
  readonly tie_word_embeddings: boolean
  /** Whether hidden states are multiplied with d_model^-0.5 in front of the head. */
  readonly scale_decoder_outputs: boolean
  readonly pad_token_id: number
  readonly decoder_start_token_id: number
}

/**
 * Reads a parsed config.json of T5, T5 v1.1 or Flan-T5, as transformers 4 or 5 wrote it. Defaults are those of T5Config.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseT5Config(json: unknown): T5Config {
  const fields = new ConfigFields(json)
  fields.modelType("t5")
  fields.only({ is_encoder_decoder: true, is_decoder: false })
  const layers = fields.whole("num_layers", 6)
  const tied = fields.flag("tie_word_embeddings", true)
  return {
    vocab_size: fields.whole("vocab_size", 32128),
    d_model: fields.whole("d_model", 512),
    d_kv: fields.whole("d_kv", 64),
    d_ff: fields.whole("d_ff", 2048),
    num_layers: layers,
    num_decoder_layers: fields.whole("num_decoder_layers", layers),
    num_heads: fields.whole("num_heads", 8),
    relative_attention_num_buckets: fields.whole("relative_attention_num_buckets", 32),
    relative_attention_max_distance: fields.whole("relative_attention_max_distance", 128),
    dropout_rate: fields.real("dropout_rate", 0.1, 0.99),
    layer_norm_epsilon: fields.real("layer_norm_epsilon", 1e-6, 1),
    initializer_factor: fields.real("initializer_factor", 1, 100),
    feed_forward_proj: fields.choice("feed_forward_proj", "relu", ["relu", "gated-gelu"]),
    tie_word_embeddings: tied,
    // Version 4 knew no such field: who shares the table with the head scales.
    scale_decoder_outputs: fields.flag("scale_decoder_outputs", tied),
    pad_token_id: fields.real("pad_token_id", 0, 2 ** 31 - 1),
    decoder_start_token_id: fields.real(
      "decoder_start_token_id",
      fields.real("pad_token_id", 0, 2 ** 31 - 1),
      2 ** 31 - 1
    )
  }
}
