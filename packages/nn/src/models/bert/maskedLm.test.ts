import { describe, expect, it } from "vitest"
import { initialParameters } from "../../network/Network.ts"
import { trainingProgram } from "../../network/training.ts"
import { fastestEngine, openForTest } from "../../testing/engines.ts"
import { largestDifference, matrix } from "../../testing/golden.ts"
import { defaultAdamW } from "../../train/classifier.ts"
import { parseBertConfig } from "./config.ts"
import { bertForMaskedLm } from "./networks.ts"

const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 30,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 12,
  initializer_range: 0.3,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0
})

describe.each([...new Set([fastestEngine, "wasm" as const])])("a masked language model on %s", (name) => {
  it("learns the same from the masked tokens alone as from all of them with -100 for the others", async () => {
    const gradients = async (at: "all" | "positions") => {
      const network = bertForMaskedLm(config, { at })
      const optimizer = defaultAdamW
      const program = trainingProgram({
        network,
        trainable: () => true,
        optimizer,
        max_grad_norm: null,
        gradients: true
      })
      const session = await (await openForTest(name)).open(program)
      await session.write(initialParameters(network, program.parameters, 5))
      const labels = [
        [-100, 7, -100, -100, 3],
        [-100, -100, 9, -100, -100]
      ]
      const where = labels.flat().flatMap((label, place) => (label === -100 ? [] : [place]))
      const feeds = {
        input_ids: matrix([
          [1, 4, 9, 12, 4],
          [2, 20, 4, 0, 0]
        ]),
        attention_mask: matrix([
          [1, 1, 1, 1, 1],
          [1, 1, 1, 0, 0]
        ]),
        token_type_ids: matrix([
          [0, 0, 0, 0, 0],
          [0, 0, 0, 0, 0]
        ]),
        count: 3,
        ...(at === "all"
          ? { labels: matrix(labels) }
          : {
              positions: Int32Array.from(where),
              labels: Int32Array.from(where, (place) => labels.flat()[place]!)
            })
      }
      const out = await session.run("gradients", feeds)
      await session.close()
      return out
    }
    const [all, some] = [await gradients("all"), await gradients("positions")]
    expect(Object.keys(some)).toEqual(Object.keys(all))
    // The tied embeddings get gradients from both of their uses.
    expect(all["bert.embeddings.word_embeddings.weight"]!.some((value) => value !== 0)).toBe(true)
    for (const [parameter, values] of Object.entries(all))
      expect(largestDifference(some[parameter]!, [...values]), parameter).toBeLessThan(1e-6)
  })
})
