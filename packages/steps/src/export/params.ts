import { semantic } from "@hone/core/Params"
import { Schema } from "effect"

export const ExportParams = Schema.Struct({
  name: semantic(Schema.NonEmptyString, {
    description: "Title of the model card. Absent: what the model does, in words.",
    optional: true
  }),
  description: semantic(Schema.NonEmptyString, {
    description: "A paragraph under the title of the model card: what the model is for, and what it is not for.",
    optional: true
  }),
  base_model: semantic(Schema.NonEmptyString, {
    description:
      "What the base is called on the Hugging Face hub (org/name), for the card. Absent: the card states its digest alone.",
    optional: true
  }),
  license: semantic(Schema.NonEmptyString, {
    description:
      "Licence of the exported model for the card, as the hub spells it (apache-2.0). Absent: the card leaves it open.",
    optional: true
  })
})
export type ExportParams = typeof ExportParams.Type
