import { make } from "@hone/core/Step"
import { onePass } from "../rows/work.ts"
import { TokenizeParams } from "./params.ts"
import { rowsInput, textFaults, tokenizerInput, tokensOutput, tokensType } from "./ports.ts"

export const tokenize = make({
  kind: "tokenize",
  summary: "Turn each row's text into token ids; what is too long is cut, dropped or refused, and counted.",
  params: TokenizeParams,
  inputs: { rows: rowsInput, tokenizer: tokenizerInput },
  outputs: { tokens: tokensOutput },
  main: "tokens",
  types: ({ inputs, params }) => ({
    outputs: { tokens: tokensType(inputs["rows"], params.max_length) },
    faults: textFaults(inputs["rows"])
  }),
  // What is stated of the rows goes on with the tokens.
  facts: { rows: "all", tokenizer: ["model_max_length", "pad_token_id", "vocabulary_size"] },
  work: (_, { rows }) => onePass(rows, "rows"),
  module: "steps/tokenize/run",
  run: () => import("./run.ts")
})
