import type { Values } from "../graph/Program.ts"

/**
 * Gives the memory of what a run returned back at once; the arrays are empty then. Left to itself V8 gives it back when it next
 * collects, by when several batches' logits may lie there: 100 MB each for a language model's 512 tokens.
 */
export function release(returned: Readonly<Record<string, Values>>): void {
  for (const { buffer } of Object.values(returned))
    if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0)
}
