import { assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { classifierProgram, defaultAdamW, initialWeights, parseBertConfig } from "@hone/nn"
import { Cause, Effect, Exit } from "effect"
import { nativeEngine, testEngine } from "../testing/models.ts"
import { openSession, stageEngine } from "./engine.ts"

const native = nativeEngine()
/** Attention over one row of so many tokens does not fit: terabytes for TensorFlow, more than a wasm heap's 4 GiB there. */
const engines = [
  ...(native === undefined ? [] : [{ engine: native, tokens: 400_000 }]),
  { engine: testEngine, tokens: 30_000 }
]

for (const { engine, tokens } of engines) {
  it.effect(`memory that ${engine.engine} cannot have is a failure that says what to make smaller`, () =>
    Effect.gen(function* () {
      const config = parseBertConfig({
        model_type: "bert",
        vocab_size: 30,
        hidden_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 8,
        max_position_embeddings: tokens
      })
      const program = classifierProgram({
        config,
        head: { pooling: "mean", labels: 2 },
        trainable: () => true,
        optimizer: defaultAdamW,
        max_grad_norm: 1
      })
      const session = yield* openSession(yield* stageEngine(engine), program)
      yield* Effect.promise(() => session.write(initialWeights(config, program.parameters, 1)))
      const shape = [1, tokens]
      const feeds = {
        input_ids: { data: new Int32Array(tokens).fill(3), shape },
        attention_mask: { data: new Int32Array(tokens).fill(1), shape },
        labels: Int32Array.of(1)
      }
      const exit = yield* Effect.exit(Effect.promise(() => session.run("eval", feeds)))
      assert.isTrue(Exit.isFailure(exit))
      const error = Cause.squash((exit as Exit.Failure<unknown, never>).cause)
      assert.instanceOf(error, StageError)
      assert.strictEqual((error as StageError).code, "out_of_memory")
      assert.include((error as StageError).hint, "batch_size")
    })
  )
}
