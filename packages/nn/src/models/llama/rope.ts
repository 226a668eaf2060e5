import { UnsupportedConfig } from "../bert/config.ts"
import { ConfigFields } from "../configFields.ts"

/** How fast each pair of a head turns with the position. */
export type RopeConfig =
  | { readonly kind: "default"; readonly theta: number }
  | { readonly kind: "linear"; readonly theta: number; readonly factor: number }
  | {
      readonly kind: "llama3"
      readonly theta: number
      readonly factor: number
      readonly low_freq_factor: number
      readonly high_freq_factor: number
      readonly original_max_position_embeddings: number
    }

const MOST = 1e12

/**
 * Rotary positions as either version writes them: `rope_parameters` with everything in it (5), or `rope_theta` beside `rope_scaling`
 * (4), whose kind is called `rope_type` or, of old, `type`.
 */
export function parseRope(fields: ConfigFields): RopeConfig {
  const given = fields.raw("rope_parameters") ?? fields.raw("rope_scaling")
  if (given === undefined) return { kind: "default", theta: fields.real("rope_theta", 1e4, MOST) }
  const rope = new ConfigFields(given)
  const theta =
    rope.raw("rope_theta") === undefined ? fields.real("rope_theta", 1e4, MOST) : rope.real("rope_theta", 0, MOST)
  rope.only({ partial_rotary_factor: 1 })
  const kinds = ["default", "linear", "llama3"] as const
  const kind = rope.choice<RopeConfig["kind"]>(
    rope.raw("rope_type") === undefined ? "type" : "rope_type",
    "default",
    kinds
  )
  switch (kind) {
    case "default":
      return { kind, theta }
    case "linear":
      return { kind, theta, factor: factorOf(rope) }
    case "llama3":
      return {
        kind,
        theta,
        factor: factorOf(rope),
        low_freq_factor: rope.real("low_freq_factor", 1, MOST),
        high_freq_factor: rope.real("high_freq_factor", 4, MOST),
        original_max_position_embeddings: rope.whole("original_max_position_embeddings")
      }
  }
}

function factorOf(rope: ConfigFields): number {
  const factor = rope.real("factor", 1, MOST)
  if (factor < 1) throw new UnsupportedConfig("factor", factor, "at least 1")
  return factor
}

/**
 * Radians a position for each of the D/2 pairs of a head.
 *
 * llama3 leaves fast pairs, slows pairs that turn less than once in the original context by `factor`, and goes over from one to the
 * other in between. Source: transformers' `_compute_llama3_parameters`. Golden: tiny-families/llama-rope3.
 */
export function frequenciesOf(rope: RopeConfig, headDim: number): Array<number> {
  return Array.from({ length: headDim / 2 }, (_, pair) => {
    const frequency = rope.theta ** ((-2 * pair) / headDim)
    if (rope.kind === "default") return frequency
    if (rope.kind === "linear") return frequency / rope.factor
    const { factor, high_freq_factor, low_freq_factor, original_max_position_embeddings } = rope
    const turns = (original_max_position_embeddings * frequency) / (2 * Math.PI)
    if (turns > high_freq_factor) return frequency
    if (turns < low_freq_factor) return frequency / factor
    const kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
    return (1 - kept) * (frequency / factor) + kept * frequency
  })
}
