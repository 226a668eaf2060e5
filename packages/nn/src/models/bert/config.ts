/** The part of a Hugging Face config.json that a BERT's numbers depend on, under its own names. */
export interface BertConfig {
  readonly vocab_size: number
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly intermediate_size: number
  readonly max_position_embeddings: number
  readonly type_vocab_size: number
  readonly layer_norm_eps: number
  readonly initializer_range: number
  readonly hidden_dropout_prob: number
  readonly attention_probs_dropout_prob: number
  readonly classifier_dropout: number | null
  readonly pad_token_id: number
}

/** Something in config.json that cannot be computed here, or is not a config at all. */
export class UnsupportedConfig extends Error {
  override readonly name = "UnsupportedConfig"
  readonly key: string
  readonly found: unknown
  readonly expected: string
  constructor(key: string, found: unknown, expected: string) {
    super(`config.json: "${key}" is ${JSON.stringify(found) ?? "missing"}, and must be ${expected}`)
    this.key = key
    this.found = found
    this.expected = expected
  }
}

type Json = Readonly<Record<string, unknown>>

const MAX_SIZE = 2 ** 31 - 1

function whole(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > MAX_SIZE) {
    throw new UnsupportedConfig(key, json[key], "a positive whole number")
  }
  return value
}

function real(json: Json, key: string, fallback: number, most: number): number {
  const value = json[key] ?? fallback
  if (typeof value !== "number" || !(value >= 0) || value > most)
    throw new UnsupportedConfig(key, json[key], `a number from 0 to ${most}`)
  return value
}

/** Keys with one meaning that is implemented: anything else would be computed wrongly, so it is refused. */
const required: ReadonlyArray<
  readonly [key: string, fallback: unknown, accepted: (value: unknown) => boolean, expected: string]
> = [
  ["model_type", undefined, (v) => v === "bert", '"bert"'],
  ["hidden_act", "gelu", (v) => v === "gelu", '"gelu" (the exact form)'],
  ["position_embedding_type", "absolute", (v) => v === "absolute", '"absolute"'],
  ["is_decoder", false, (v) => v === false, "false"],
  ["add_cross_attention", false, (v) => v === false, "false"],
  ["pruned_heads", {}, (v) => typeof v === "object" && v !== null && Object.keys(v).length === 0, "empty"],
  ["quantization_config", null, (v) => v === null, "absent: weights must be float32, float16 or bfloat16"]
]

/**
 * Reads a parsed config.json of the BERT family. Defaults are those of transformers' BertConfig.
 *
 * Throws UnsupportedConfig for anything that would change the numbers and that the graph does not compute.
 */
export function parseBertConfig(json: unknown): BertConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new UnsupportedConfig("", json, "an object")
  const fields = json as Json
  for (const [key, fallback, accepted, expected] of required) {
    if (!accepted(fields[key] ?? fallback)) throw new UnsupportedConfig(key, fields[key], expected)
  }
  const hidden = whole(fields, "hidden_size", 768)
  const heads = whole(fields, "num_attention_heads", 12)
  if (hidden % heads !== 0)
    throw new UnsupportedConfig("num_attention_heads", heads, `a divisor of hidden_size (${hidden})`)
  return {
    vocab_size: whole(fields, "vocab_size", 30522),
    hidden_size: hidden,
    num_hidden_layers: whole(fields, "num_hidden_layers", 12),
    num_attention_heads: heads,
    intermediate_size: whole(fields, "intermediate_size", 3072),
    max_position_embeddings: whole(fields, "max_position_embeddings", 512),
    type_vocab_size: whole(fields, "type_vocab_size", 2),
    layer_norm_eps: real(fields, "layer_norm_eps", 1e-12, 1),
    initializer_range: real(fields, "initializer_range", 0.02, 100),
    hidden_dropout_prob: real(fields, "hidden_dropout_prob", 0.1, 0.99),
    attention_probs_dropout_prob: real(fields, "attention_probs_dropout_prob", 0.1, 0.99),
    classifier_dropout: fields["classifier_dropout"] == null ? null : real(fields, "classifier_dropout", 0, 0.99),
    pad_token_id: real(fields, "pad_token_id", 0, MAX_SIZE)
  }
}
