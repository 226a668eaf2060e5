import { type InputArtifact, StageError } from "@hone/core/Stage"
import type { BertConfig, Cut } from "@hone/nn"
import { Effect } from "effect"
import { labelColumn } from "../arrow/reader.ts"
import { readFeatures } from "../features/read.ts"
import { hiddenFeeds, type InputFeeds, pooledFeeds, tokenFeeds } from "./feeds.ts"
import { sample, type Tokens } from "./tokens.ts"

/** Rows to train or evaluate on. */
export interface Examples {
  readonly rowIds: ReadonlyArray<string>
  /** [rows] tokens of each */
  readonly lengths: Int32Array
  /** [rows] index into the head's labels */
  readonly targets: Int32Array
  readonly feeds: InputFeeds
}

/** Class index of each row in the order of the head. Fails by `unknown_labels` for rows with a label that the head lacks. */
export const targetsOf = (
  tokens: Tokens,
  labels: ReadonlyArray<string>,
  port: string
): Effect.Effect<Int32Array, StageError> => {
  const column = labelColumn(tokens.table, "label")
  const place = column.names.map((name) => labels.indexOf(name))
  const targets = column.indices.map((index) => place[index]!)
  const unknown = tokens.rowIds.filter((_, row) => targets[row] === -1)
  if (unknown.length === 0) return Effect.succeed(targets)
  const names = column.names.filter((_, index) => place[index] === -1 && column.indices.includes(index))
  return Effect.fail(
    new StageError({
      code: "unknown_labels",
      message: `${unknown.length} rows at \`${port}\` have labels that the model does not know (${names.join(", ")}): ${sample(unknown)}`,
      hint: `the model knows ${labels.join(", ")}; take rows with these labels, or train on all of them`,
      row_ids: unknown
    })
  )
}

/** Inputs from the frozen prefix's features where there are some, else from token ids. */
export const inputFeeds = (tokens: Tokens, features: InputArtifact | undefined, config: BertConfig): InputFeeds => {
  if (features === undefined) return tokenFeeds(tokens, config.pad_token_id)
  const hidden = readFeatures(features, tokens.rowIds)
  return features.facts["pooled"] === null
    ? hiddenFeeds(hidden, config.hidden_size)
    : pooledFeeds(hidden, config.hidden_size)
}

/** Where a program starts that is fed by `inputFeeds`; undefined for token ids. */
export const cutOfFeatures = (features: InputArtifact | undefined): Cut | undefined =>
  features === undefined ? undefined : features.facts["pooled"] === null ? Number(features.facts["cut"]) : "pooled"
