import { ConfigFields } from "../configFields.ts"

/** The part of a config.json that a ViT's numbers depend on, under its own names. */
export interface VitConfig {
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly intermediate_size: number
  readonly image_size: number
  readonly patch_size: number
  readonly num_channels: number
  readonly layer_norm_eps: number
  readonly initializer_range: number
  readonly hidden_dropout_prob: number
  readonly attention_probs_dropout_prob: number
}

/**
 * Reads a parsed config.json of a ViT. Defaults are those of transformers' ViTConfig.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseVitConfig(json: unknown): VitConfig {
  const fields = new ConfigFields(json)
  fields.modelType("vit")
  fields.only({ hidden_act: "gelu", qkv_bias: true })
  const config: VitConfig = {
    hidden_size: fields.whole("hidden_size", 768),
    num_hidden_layers: fields.whole("num_hidden_layers", 12),
    num_attention_heads: fields.whole("num_attention_heads", 12),
    intermediate_size: fields.whole("intermediate_size", 3072),
    image_size: fields.whole("image_size", 224),
    patch_size: fields.whole("patch_size", 16),
    num_channels: fields.whole("num_channels", 3),
    layer_norm_eps: fields.real("layer_norm_eps", 1e-12, 1),
    initializer_range: fields.real("initializer_range", 0.02, 100),
    hidden_dropout_prob: fields.real("hidden_dropout_prob", 0, 0.99),
    attention_probs_dropout_prob: fields.real("attention_probs_dropout_prob", 0, 0.99)
  }
  fields.divides(config.num_attention_heads, config.hidden_size, "num_attention_heads")
  fields.divides(config.patch_size, config.image_size, "patch_size")
  return config
}
