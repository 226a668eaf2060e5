import type { BertConfig } from "../bert/config.ts"
import { UnsupportedConfig } from "../bert/config.ts"
import { ConfigFields } from "../configFields.ts"

/** A RoBERTa is a BERT whose positions begin after `pad_token_id`: fields are those of BERT. */
export type RobertaConfig = BertConfig

/**
 * Reads a parsed config.json of the RoBERTa family (roberta, xlm-roberta, camembert). Defaults are those of transformers' RobertaConfig.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseRobertaConfig(json: unknown): RobertaConfig {
  const fields = new ConfigFields(json)
  fields.modelType("roberta", "xlm-roberta", "camembert")
  fields.only({
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    is_decoder: false,
    add_cross_attention: false
  })
  const hidden = fields.whole("hidden_size", 768)
  const heads = fields.whole("num_attention_heads", 12)
  fields.divides(heads, hidden, "num_attention_heads")
  const config: RobertaConfig = {
    vocab_size: fields.whole("vocab_size", 50265),
    hidden_size: hidden,
    num_hidden_layers: fields.whole("num_hidden_layers", 12),
    num_attention_heads: heads,
    intermediate_size: fields.whole("intermediate_size", 3072),
    max_position_embeddings: fields.whole("max_position_embeddings", 512),
    type_vocab_size: fields.whole("type_vocab_size", 2),
    layer_norm_eps: fields.real("layer_norm_eps", 1e-12, 1),
    initializer_range: fields.real("initializer_range", 0.02, 100),
    hidden_dropout_prob: fields.real("hidden_dropout_prob", 0.1, 0.99),
    attention_probs_dropout_prob: fields.real("attention_probs_dropout_prob", 0.1, 0.99),
    classifier_dropout:
      fields.raw("classifier_dropout") === undefined ? null : fields.real("classifier_dropout", 0, 0.99),
    pad_token_id: fields.real("pad_token_id", 1, 2 ** 31 - 1)
  }
  if (config.max_position_embeddings <= config.pad_token_id + 1)
    throw new UnsupportedConfig("max_position_embeddings", config.max_position_embeddings, "above pad_token_id + 1")
  return config
}
