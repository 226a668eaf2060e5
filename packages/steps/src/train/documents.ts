import { StageError } from "@hone/core/Stage"
import type { BertConfig } from "@hone/nn"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { typeName } from "../arrow/digest.ts"
import { labelColumn, nullableStrings } from "../arrow/reader.ts"
import type { Tokens } from "../tensors/tokens.ts"
import { pairRows, type UnmaskedRows } from "./maskedRows.ts"
import type { MaskVocabulary } from "./masking.ts"
import { PAIR_SPECIALS, passagesOf, sentencesOf } from "./sentencePairs.ts"

/** Documents of rows: each row one, of sentences, or rows in turn that say the same in a column, each row a segment. */
interface Documents {
  readonly segments: ReadonlyArray<ReadonlyArray<Int32Array>>
  /** The id of the first row of each. */
  readonly rowIds: ReadonlyArray<string>
}

/**
 * Rows to tell next sentences by. Fails by StageError `no_token_types` for a model that tells no second text from the first,
 * `no_sentences` where nothing can be cut in two, `one_document` where there is no other one to take a second text from.
 */
export const sentenceRows = (
  port: string,
  tokens: Tokens,
  options: {
    readonly config: BertConfig
    readonly vocabulary: MaskVocabulary
    readonly document: string | undefined
    /** The most tokens of a pair. */
    readonly max_length: number
  }
): Effect.Effect<{ readonly rows: UnmaskedRows; readonly leftOut: number }, StageError> => {
  const { config, document, max_length, vocabulary } = options
  if (config.type_vocab_size < 2) return Effect.fail(noTokenTypes)
  const documents = document === undefined ? bySentences(tokens, vocabulary) : byColumn(tokens, document, vocabulary)
  const room = max_length - PAIR_SPECIALS
  const passages = passagesOf(documents.segments, room)
  if (passages.length === 0) return Effect.fail(noSentences(port, document))
  const used = new Set(passages.map((passage) => passage.document))
  if (used.size < 2) return Effect.fail(oneDocument(port))
  const rowIds = passages.map((passage) => documents.rowIds[passage.document]!)
  return Effect.succeed({
    rows: pairRows(passages, rowIds, room, vocabulary),
    leftOut: documents.segments.length - used.size
  })
}

const contentOf = (ids: Int32Array, { special }: MaskVocabulary): Int32Array => ids.filter((id) => !special.has(id))

const bySentences = ({ inputIds, rowIds }: Tokens, vocabulary: MaskVocabulary): Documents => ({
  segments: inputIds.map((ids) => sentencesOf(contentOf(ids, vocabulary), vocabulary)),
  rowIds
})

const byColumn = ({ inputIds, rowIds, table }: Tokens, column: string, vocabulary: MaskVocabulary): Documents => {
  const values = valuesOf(table, column)
  const segments: Array<Array<Int32Array>> = []
  const first: Array<string> = []
  values.forEach((value, row) => {
    const isNew = row === 0 || value !== values[row - 1]
    if (isNew) {
      segments.push([])
      first.push(rowIds[row]!)
    }
    const content = contentOf(inputIds[row]!, vocabulary)
    if (content.length > 0) segments.at(-1)!.push(content)
  })
  return { segments, rowIds: first }
}

const valuesOf = (table: Table, column: string): ReadonlyArray<string | null> => {
  if (typeName(table.getChild(column)!.type) === "utf8") return nullableStrings(table, column)
  const { indices, names } = labelColumn(table, column)
  return Array.from(indices, (index) => names[index]!)
}

const noTokenTypes = new StageError({
  code: "no_token_types",
  message: "next_sentence pairs texts, and the model tells no second text from the first",
  hint: "take a model whose config.json has a type_vocab_size of 2, or leave next_sentence out"
})

const noSentences = (port: string, document: string | undefined): StageError =>
  new StageError({
    code: "no_sentences",
    message:
      document === undefined
        ? `no row at \`${port}\` has two sentences (ends: . ! ?), so none can be cut in two`
        : `no two rows in turn at \`${port}\` are of one document (column "${document}")`,
    hint:
      document === undefined
        ? "where each row is a sentence, name the column that says which document it is of: document: COLUMN"
        : "leave the rows in the order of their documents (no sample, no split), or leave document out where a row is a document"
  })

const oneDocument = (port: string): StageError =>
  new StageError({
    code: "one_document",
    message: `all rows at \`${port}\` are of one document: there is no other to take a wrong second text from`,
    hint: "give texts of several documents, or leave next_sentence out"
  })
