import { type InputArtifact, StageError } from "@hone/core/Stage"
import type { BertConfig } from "@hone/nn"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { attempt } from "../attempt.ts"
import { int32Lists, readTable, strings } from "../arrow/reader.ts"

/** Rows of token ids as a model reads them. */
export interface Tokens {
  readonly table: Table
  readonly rowIds: ReadonlyArray<string>
  /** One view of the file a row. */
  readonly inputIds: ReadonlyArray<Int32Array>
  /** Which text of a pair each token is of; undefined where all rows are single texts. */
  readonly tokenTypeIds?: ReadonlyArray<Int32Array> | undefined
  /** [rows] */
  readonly lengths: Int32Array
}

/** As many row ids as a message names. */
const SHOWN = 10

export const sample = (rowIds: ReadonlyArray<string>): string =>
  rowIds.length > SHOWN ? `${rowIds.slice(0, SHOWN).join(", ")} and ${rowIds.length - SHOWN} more` : rowIds.join(", ")

/**
 * Reads the rows of a port and checks that the model can take them.
 * Fails by StageError: `tokenizer_mismatch`, `empty_input`, `too_long`, `vocabulary_mismatch`.
 */
export const readTokens = Effect.fnUntraced(function* (
  port: string,
  input: InputArtifact,
  model: { readonly config: BertConfig; readonly tokenizer: string | null }
): Effect.fn.Return<Tokens, StageError> {
  const made = input.facts["tokenizer"]
  if (model.tokenizer !== null && typeof made === "string" && made !== model.tokenizer) {
    return yield* new StageError({
      code: "tokenizer_mismatch",
      message: `the rows at \`${port}\` were tokenized by another tokenizer than the model's`,
      hint: "connect tokenize's `tokenizer` port to the `base` step that the model comes from"
    })
  }
  const table = yield* attempt(() => readTable(input))
  const inputIds = int32Lists(table, "input_ids")
  const tokens = {
    table,
    rowIds: strings(table, "row_id"),
    inputIds,
    tokenTypeIds: table.getChild("token_type_ids") === null ? undefined : int32Lists(table, "token_type_ids"),
    lengths: Int32Array.from(inputIds, (ids) => ids.length)
  }
  return yield* checked(port, tokens, model.config)
})

const checked = (port: string, tokens: Tokens, config: BertConfig): Effect.Effect<Tokens, StageError> => {
  const where = (bad: (ids: Int32Array) => boolean) => tokens.rowIds.filter((_, row) => bad(tokens.inputIds[row]!))
  const fail = (code: string, row_ids: ReadonlyArray<string>, what: string, hint: string) =>
    Effect.fail(
      new StageError({
        code,
        message: `${row_ids.length} rows at \`${port}\` ${what}: ${sample(row_ids)}`,
        hint,
        row_ids
      })
    )
  const empty = where((ids) => ids.length === 0)
  if (empty.length > 0) return fail("empty_input", empty, "have no token", "drop empty rows when ingesting")
  const positions = config.max_position_embeddings
  const long = where((ids) => ids.length > positions)
  if (long.length > 0) {
    return fail(
      "too_long",
      long,
      `have more than ${positions} tokens, the model's positions`,
      `set tokenize's max_length to ${positions} or less`
    )
  }
  const types = tokens.rowIds.filter(
    (_, row) => tokens.tokenTypeIds?.[row]?.some((id) => id >= config.type_vocab_size) === true
  )
  if (types.length > 0) {
    const what = "are pairs, and the model tells no second text from the first"
    return fail("no_token_types", types, what, "take a model whose config.json has a type_vocab_size of 2")
  }
  const foreign = where((ids) => ids.some((id) => id < 0 || id >= config.vocab_size))
  if (foreign.length === 0) return Effect.succeed(tokens)
  return fail(
    "vocabulary_mismatch",
    foreign,
    `have ids that the model has no embedding for`,
    "tokenize with the tokenizer of this model"
  )
}
