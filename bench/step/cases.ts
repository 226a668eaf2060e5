/** One kind of step that both sides run. */
export interface StepCase {
  readonly name: string
  readonly mode: "train" | "infer"
  readonly rows: number
  readonly length: number
  readonly dropout: number
  /** Blocks at the bottom that do not train, and with them the embeddings; 0: everything trains. */
  readonly frozen_blocks: number
  readonly learning_rate: number
  readonly weight_decay: number
  readonly max_grad_norm: number
  /** Ours over PyTorch's by the median: the most that we allow ourselves. */
  readonly target: number
}

const base = {
  mode: "train",
  dropout: 0,
  frozen_blocks: 0,
  learning_rate: 2e-5,
  weight_decay: 0.01,
  max_grad_norm: 1
} as const

export const stepCases: ReadonlyArray<StepCase> = [
  { ...base, name: "train 16x64", rows: 16, length: 64, target: 1.03 },
  { ...base, name: "train 16x64 dropout 0.1", rows: 16, length: 64, dropout: 0.1, target: 0.85 },
  { ...base, name: "train 32x128", rows: 32, length: 128, target: 1.03 },
  { ...base, name: "train 16x64 4 of 6 frozen", rows: 16, length: 64, frozen_blocks: 4, target: 1.03 },
  { ...base, name: "infer 32x128", mode: "infer", rows: 32, length: 128, target: 0.9 }
]
