import { semantic } from "@hone/core/Params"
import { Schema } from "effect"

const positive = Schema.Int.check(Schema.isGreaterThan(0))

export const FreezeParams = Schema.Struct({
  strategy: semantic(
    Schema.Union([
      Schema.Literals(["head", "full"]),
      Schema.Struct({ partial: Schema.Struct({ last_blocks: positive }) })
    ]),
    {
      description:
        "What trains. head: only what stands behind the last block. partial: that and the last `last_blocks` blocks (1 to the model's blocks); embeddings and the blocks below stay. full: everything."
    }
  )
})
