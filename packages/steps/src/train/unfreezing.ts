import { placeOf } from "../artifacts/manifest.ts"

/** A model whose parts begin to train one after the other, from the head down. */
export interface UnfreezingOptions {
  /** Epochs after which the next part begins to train. */
  readonly every: number
  readonly blocks: number
  readonly stepsPerEpoch: number
}

/**
 * Optimizer steps done before a tensor begins to train: the head at once, the last block after `every` epochs, the one in front of
 * it after twice that, and the embeddings after the first block.
 *
 * Source: gradual unfreezing, Howard and Ruder 2018 (ULMFiT), section 3.3.
 */
export const unfreezesAt = ({ blocks, every, stepsPerEpoch }: UnfreezingOptions) => {
  // A hair less, so that a third of 30 steps is not 11 of them for its last bit.
  const steps = (parts: number) => Math.ceil(parts * every * stepsPerEpoch - 1e-9)
  return (name: string): number => {
    const place = placeOf(name)
    if (place === "embeddings") return steps(blocks + 1)
    return typeof place === "number" ? steps(blocks - place) : 0
  }
}

/** A stretch of a training in which the same tensors train. */
export interface Phase<P> {
  /** Optimizer steps done before it begins. */
  readonly from: number
  readonly program: () => P
  /** What begins to train with it, to be told: `block 5`. Empty for the first. */
  readonly begins: string
}

/**
 * The phases of a training over these tensors, of which none begins after its last step.
 * @param trainable names of the tensors that train in the end
 * @param programOf the program in which some of them train, by name the optimizer steps done before each began to
 */
export const phasesOf = <P>(
  trainable: ReadonlyArray<string>,
  since: (name: string) => number,
  totalSteps: number,
  programOf: (since: ReadonlyMap<string, number>) => P
): ReadonlyArray<Phase<P>> => {
  const starts = [...new Set(trainable.map(since))].sort((a, b) => a - b)
  return starts
    .filter((from) => from < totalSteps)
    .map((from) => ({
      from,
      program: () =>
        programOf(new Map(trainable.flatMap((name) => (since(name) <= from ? [[name, since(name)]] : [])))),
      begins: from === 0 ? "" : partsOf(trainable.filter((name) => since(name) === from)).join(", ")
    }))
}

const partsOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(
    names.map((name) => {
      const place = placeOf(name)
      return typeof place === "number" ? `block ${place}` : String(place)
    })
  )
]
