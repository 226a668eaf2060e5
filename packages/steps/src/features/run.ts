import type { InputArtifact, OutputArtifact, StageContext, StageResult } from "@hone/core/Stage"
import type { StageRun } from "@hone/core/Step"
import { type BertConfig, featuresProgram, parseBertConfig, type Session } from "@hone/nn"
import { Effect } from "effect"
import { blocksOf } from "../artifacts/manifest.ts"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { listFloat32, offsetsOf, utf8 } from "../arrow/columns.ts"
import { TableWriter } from "../arrow/writer.ts"
import { evaluationBatches } from "../tensors/batches.ts"
import { breathe, openSession, stageEngine } from "../tensors/engine.ts"
import { inputFeeds } from "../tensors/examples.ts"
import type { InputFeeds } from "../tensors/feeds.ts"
import { readTokens, type Tokens } from "../tensors/tokens.ts"
import { cutOfView, type FeatureCut, FEATURES } from "./stage.ts"

/** Rows of one forward pass: enough to fill the cores, few enough to keep attention small. */
const BATCH_ROWS = 32
/** Values gathered before a batch of the file is written. */
const BATCH_VALUES = 4 << 20

/** Computes what the view of the model names: its key holds that, and nothing else of what the step knows of the model. */
export const run: StageRun = Effect.fn("features.run")(function* (context: StageContext) {
  const input = context.inputs["model"]!
  const model = yield* attempt(() => readModel(input, context.blobPath))
  const chosen = cutOfView(input.view!, blocksOf(model.manifest))
  const config = parseBertConfig(model.manifest.config)
  const tokens = yield* readTokens("rows", context.inputs["rows"]!, { config, tokenizer: model.manifest.tokenizer })
  const engine = yield* stageEngine(context.engine)
  const output = yield* Effect.scoped(
    Effect.gen(function* () {
      const start = context.inputs["hidden"]
      const program = programOf(config, chosen, start, tokens)
      const session = yield* openSession(engine, program)
      yield* attempt(() => session.write(new Map(program.parameters.map(({ name }) => [name, model.read(name)]))))
      const feeds = yield* attempt(() => inputFeeds(tokens, start, config))
      return yield* attempt(() => computeFeatures({ chosen, config, context, feeds, session, tokens }))
    })
  )
  const result: StageResult = {
    outputs: { [FEATURES]: output },
    counts: { rows: tokens.rowIds.length, bytes: output.bytes, engine_seconds: engine.seconds() },
    warnings: []
  }
  return result
})

const programOf = (
  config: BertConfig,
  { cut, pooled }: FeatureCut,
  start: InputArtifact | undefined,
  { tokenTypeIds }: Tokens
) =>
  featuresProgram({
    config,
    from: start === undefined ? undefined : Number(start.facts["cut"]),
    until: pooled === null ? cut : "pooled",
    pooling: pooled === "cls" ? "pooler" : "mean",
    token_types: start === undefined && tokenTypeIds !== undefined
  })

interface Work {
  readonly chosen: FeatureCut
  readonly config: BertConfig
  readonly context: StageContext
  readonly feeds: InputFeeds
  readonly session: Session
  readonly tokens: Tokens
}

/** Walks the rows, longest first, and writes what each keeps: readers join by row_id. */
const computeFeatures = async ({ chosen, config, context, feeds, session, tokens }: Work): Promise<OutputArtifact> => {
  const writer = new TableWriter(context.folder, `${FEATURES}.arrow`)
  const gathered = new Gathered(writer)
  let done = 0
  try {
    for (const rows of evaluationBatches(tokens.lengths, BATCH_ROWS)) {
      const kept = await keptOf(session, feeds, rows, tokens.lengths, config.hidden_size)
      rows.forEach((row, at) => gathered.add(tokens.rowIds[row]!, kept[at]!))
      done += rows.length
      context.progress({ done, total: tokens.rowIds.length, unit: "rows" })
      await breathe()
    }
    gathered.flush()
    return writer.finish({
      facts: { cut: chosen.cut, pooled: chosen.pooled, hidden_size: config.hidden_size, rows: tokens.rowIds.length }
    })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** What a batch of rows leaves: for each row [tokens, C] without its padding, or [C]. */
const keptOf = async (
  session: Session,
  feeds: InputFeeds,
  rows: ReadonlyArray<number>,
  lengths: Int32Array,
  width: number
): Promise<ReadonlyArray<Float32Array>> => {
  const { hidden, pooled } = (await session.run("features", feeds(rows))) as Record<string, Float32Array>
  const values = (hidden ?? pooled)!
  const stride = values.length / rows.length
  return rows.map((row, at) =>
    values.subarray(at * stride, at * stride + (hidden === undefined ? width : lengths[row]! * width))
  )
}

/** Rows on their way into the file. */
class Gathered {
  readonly #writer: TableWriter
  #rowIds: Array<string> = []
  #values: Array<Float32Array> = []
  #size = 0

  constructor(writer: TableWriter) {
    this.#writer = writer
  }

  add(rowId: string, values: Float32Array): void {
    this.#rowIds.push(rowId)
    this.#values.push(values)
    this.#size += values.length
    if (this.#size >= BATCH_VALUES) this.#write()
  }

  /** Writes what is left; a file without a row gets its schema here. */
  flush(): void {
    if (this.#rowIds.length > 0 || this.#writer.rows === 0) this.#write()
  }

  #write(): void {
    const offsets = offsetsOf(this.#values.map(({ length }) => length))
    const hidden = new Float32Array(this.#size)
    this.#values.forEach((values, row) => hidden.set(values, offsets[row]!))
    this.#writer.write({ row_id: utf8(this.#rowIds), hidden: listFloat32(hidden, offsets) })
    this.#rowIds = []
    this.#values = []
    this.#size = 0
  }
}
