import { describe, expect, it } from "vitest"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { checkClassifierFamily, classifierFamilies } from "../testing/classifierFamilies.ts"
import { UnsupportedConfig } from "./bert/config.ts"
import { parseDistilbertConfig } from "./distilbert/config.ts"
import { parseRobertaConfig } from "./roberta/config.ts"

describe(`classifiers give transformers' numbers on ${fastestEngine}`, () => {
  it.each(classifierFamilies)("%s", async (family) => checkClassifierFamily(await openForTest(fastestEngine), family))
})

it("configs of encoders that would be computed wrongly are refused", () => {
  expect(() => parseRobertaConfig({ model_type: "roberta", hidden_act: "relu" })).toThrow(UnsupportedConfig)
  expect(() => parseRobertaConfig({ model_type: "bert" })).toThrow(/"roberta" or "xlm-roberta"/)
  expect(() => parseRobertaConfig({ model_type: "roberta", max_position_embeddings: 2 })).toThrow(/pad_token_id/)
  expect(() => parseDistilbertConfig({ model_type: "distilbert", activation: "relu" })).toThrow(UnsupportedConfig)
  expect(() => parseDistilbertConfig({ model_type: "distilbert", n_heads: 7 })).toThrow(/divisor of 768/)
})
