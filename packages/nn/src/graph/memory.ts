import { costsOf } from "./costs.ts"
import type { Sizes } from "./dims.ts"
import type { Program } from "./Program.ts"

/** What a process that runs a program is predicted to take, in bytes, on the engines that run TensorFlow's graph whole. */
export interface Memory {
  /** The program's variables: weights, moments, averages, sums of gradients. They are there from the first step to the last. */
  readonly kept: number
  /** What grows with the batch: values between the layers, and their gradients. */
  readonly activations: number
  /** Gradients of the parameters that train, and what their update makes of them; 0 for a function that changes none. */
  readonly update: number
  /** The graph in its several forms, and what TensorFlow sets aside for its threads and prepared code. */
  readonly engine: number
  /** All of them: what the process grows by, from before the program is opened to the end of a few calls. */
  readonly total: number
}

// `kept`, the activations alive at once and the parameters that train are exact, from the graph. These three say what a process makes of them: TensorFlow
// runs nodes side by side, and the allocator keeps what it was given back. A fit to measured processes: docs/experiments.md, "Predicted memory".
const PER_ACTIVATION_BYTE = 1.05
const PER_TRAINED_BYTE = 2.2
const ENGINE_BYTES = 140 * 1024 ** 2

const bytesOf = (program: Program, names: Iterable<string>): number => {
  let bytes = 0
  for (const name of names) bytes += 4 * program.graph.variables.get(name)!.shape.reduce((a, b) => a * b, 1)
  return bytes
}

/**
 * Predicts the memory of calling a function again and again, without an engine.
 * @param sizes of its symbols: `{ batch: 16, length: 64 }`
 */
export function memoryOf(
  program: Program & { readonly trainable?: ReadonlyArray<string> },
  name: string,
  sizes: Sizes
): Memory {
  const kept = bytesOf(program, program.graph.variables.keys())
  const activations = PER_ACTIVATION_BYTE * costsOf(program, name, sizes).peakActivationBytes
  const updates = name === "train" || name === "accumulate"
  const update = updates ? PER_TRAINED_BYTE * bytesOf(program, program.trainable ?? []) : 0
  return { kept, activations, update, engine: ENGINE_BYTES, total: kept + activations + update + ENGINE_BYTES }
}
