import type { ModelName } from "./models.ts"

/** One kind of step that both sides run. */
export interface StepCase {
  readonly name: string
  readonly model: ModelName
  /** generate: `new_tokens` after a prompt, greedily, keys and values remembered. */
  readonly mode: "train" | "infer" | "generate"
  readonly rows: number
  /** Tokens of a row; for images their side in pixels. */
  readonly length: number
  /** Tokens of what a sequence-to-sequence model is to answer; 0 for others. */
  readonly target_length: number
  readonly new_tokens: number
  readonly dropout: number
  /** Blocks at the bottom that do not train, and with them the embeddings; 0: everything trains. */
  readonly frozen_blocks: number
  /** Rank of adapters on the projections of attention, which then train alone; 0: none. */
  readonly lora_rank: number
  readonly learning_rate: number
  readonly weight_decay: number
  readonly max_grad_norm: number
  /** Ours over PyTorch's by the median: the most that we allow ourselves; null where none was set. */
  readonly target: number | null
}

const base = {
  model: "minilm",
  mode: "train",
  target_length: 0,
  new_tokens: 0,
  dropout: 0,
  frozen_blocks: 0,
  lora_rank: 0,
  learning_rate: 2e-5,
  weight_decay: 0.01,
  max_grad_norm: 1,
  target: 1.03
} as const

/** A training step of a shape, and inference over the same batch. */
const both = (
  name: string,
  shape: Pick<StepCase, "model" | "rows" | "length"> & Partial<StepCase>
): ReadonlyArray<StepCase> => [
  { ...base, ...shape, name: `${name} train` },
  { ...base, ...shape, name: `${name} infer`, mode: "infer", target: 0.9 }
]

/** What `--quick` runs: all-MiniLM-L6-v2 itself. */
export const minilmCases: ReadonlyArray<StepCase> = [
  { ...base, name: "train 16x64", rows: 16, length: 64 },
  { ...base, name: "train 16x64 dropout 0.1", rows: 16, length: 64, dropout: 0.1, target: 0.85 },
  { ...base, name: "train 32x128", rows: 32, length: 128 },
  { ...base, name: "train 16x64 4 of 6 frozen", rows: 16, length: 64, frozen_blocks: 4 },
  { ...base, name: "infer 32x128", mode: "infer", rows: 32, length: 128, target: 0.9 }
]

const smollm = { model: "smollm2-135m", rows: 1, length: 512 } as const

/** Other shapes, on fresh weights. */
export const otherCases: ReadonlyArray<StepCase> = [
  ...both("BERT-base 8x128", { model: "bert-base", rows: 8, length: 128 }),
  ...both("GPT-2 2x256", { model: "gpt2", rows: 2, length: 256 }),
  ...both("SmolLM2-135M 1x512", smollm),
  { ...base, ...smollm, name: "SmolLM2-135M 1x512 LoRA", lora_rank: 16 },
  ...both("T5-small 8x128/32", { model: "t5-small", rows: 8, length: 128, target_length: 32 }),
  ...both("ViT-S/14 8x224", { model: "vit-s14", rows: 8, length: 224 }),
  {
    ...base,
    name: "GPT-2 generate 64",
    mode: "generate",
    model: "gpt2",
    rows: 1,
    length: 32,
    new_tokens: 64,
    target: null
  },
  { ...base, ...smollm, name: "SmolLM2-135M generate 64", mode: "generate", length: 32, new_tokens: 64, target: null }
]
