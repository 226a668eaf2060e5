import { ConfigFields } from "../configFields.ts"

/** The part of a config.json that a DistilBERT's numbers depend on, under its own names. */
export interface DistilbertConfig {
  readonly vocab_size: number
  readonly dim: number
  readonly n_layers: number
  readonly n_heads: number
  readonly hidden_dim: number
  readonly max_position_embeddings: number
  readonly initializer_range: number
  readonly dropout: number
  readonly attention_dropout: number
  readonly seq_classif_dropout: number
}

/**
 * Reads a parsed config.json of a DistilBERT. Defaults are those of transformers' DistilBertConfig. Sinusoidal positions need no code
 * of their own: files hold their table.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseDistilbertConfig(json: unknown): DistilbertConfig {
  const fields = new ConfigFields(json)
  fields.modelType("distilbert")
  fields.only({ activation: "gelu" })
  const config: DistilbertConfig = {
    vocab_size: fields.whole("vocab_size", 30522),
    dim: fields.whole("dim", 768),
    n_layers: fields.whole("n_layers", 6),
    n_heads: fields.whole("n_heads", 12),
    hidden_dim: fields.whole("hidden_dim", 3072),
    max_position_embeddings: fields.whole("max_position_embeddings", 512),
    initializer_range: fields.real("initializer_range", 0.02, 100),
    dropout: fields.real("dropout", 0.1, 0.99),
    attention_dropout: fields.real("attention_dropout", 0.1, 0.99),
    seq_classif_dropout: fields.real("seq_classif_dropout", 0.2, 0.99)
  }
  fields.divides(config.n_heads, config.dim, "n_heads")
  return config
}
