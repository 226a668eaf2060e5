import type { InputArtifact } from "@hone/core/Stage"
import type { BertConfig, Cut } from "@hone/nn"
import { readFeatures } from "../features/read.ts"
import { hiddenFeeds, type InputFeeds, pooledFeeds, tokenFeeds } from "./feeds.ts"
import type { Targets } from "./targets.ts"
import type { Tokens } from "./tokens.ts"

/** Rows to train or evaluate on. */
export interface Examples {
  readonly rowIds: ReadonlyArray<string>
  /** [rows] tokens of each */
  readonly lengths: Int32Array
  readonly targets: Targets
  readonly feeds: InputFeeds
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
