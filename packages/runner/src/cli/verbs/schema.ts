import { pipelineJsonSchema } from "@hone/core/file/JsonSchema"
import { registry } from "@hone/steps"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { print } from "../Output.ts"

export const schemaVerb = Command.make(
  "schema",
  {},
  Effect.fn("hone schema")(function* () {
    yield* Effect.sync(() => print(JSON.stringify(pipelineJsonSchema(registry), null, 2)))
  })
).pipe(Command.withDescription("Print the JSON Schema of pipeline files, for editors"))
