import type { Applies, Facts, Stage } from "@hone/core/Step"
import { onePass } from "../rows/work.ts"
import { engineParts } from "../tensors/parts.ts"

/**
 * What of a row is kept: the hidden states of all its tokens in front of block `cut`, or, where every block is frozen, one
 * vector of them (`mean` over the real tokens, or that of the first token, which the pooler reads).
 */
export interface FeatureCut {
  /** Blocks that are computed: 0 to the model's number of blocks. */
  readonly cut: number
  readonly pooled: "mean" | "cls" | null
}

/** Hidden states beyond this are computed again rather than kept: they would have to fit into memory while training. */
export const LARGEST_FEATURES_BYTES = 2 * 1024 ** 3

export const FEATURES = "features"

export interface FeaturesStage<P> {
  /** `features_train`, `features_validation`, ...: what `plan` shows. It enters no key. */
  readonly name: string
  /** The port with the rows. */
  readonly rows: string
  readonly cut: (params: P, model: Facts) => FeatureCut
  readonly applies: (params: P, facts: { readonly model: Facts; readonly rows: Facts }) => Applies
  /**
   * An earlier features stage of the step over the same rows, with hidden states in front of a lower block: where it applies,
   * computing starts from them. The result is the same, so they are in no key.
   */
  readonly startsFrom?: string
}

type StageOptions<P> = Partial<Omit<Stage<P>, "name" | "run" | "module">> & Pick<Stage<P>, "name" | "run" | "module">

/**
 * The frozen prefix over some rows, computed once. Training, evaluating the base and evaluating a tuned head share one result:
 * its key is the weights in front of the cut, the rows' ids and the numerics, and neither the step nor what follows the cut.
 */
export const featuresStage = <P>(options: FeaturesStage<P>): StageOptions<P> => ({
  name: options.name,
  identity: "features",
  numerics: true,
  intermediate: true,
  inputs: {
    model: { from: { port: "model" }, view: (params, facts) => viewOf(options.cut(params, facts)) },
    rows: { from: { port: options.rows }, view: () => "inputs", facts: ["tokenizer"] },
    ...(options.startsFrom === undefined ? {} : { hidden: featuresOf(options.startsFrom) })
  },
  // One name for all of them: a result found under a shared key is read by the name that its maker gave it.
  outputs: { [FEATURES]: { kind: "features", description: "hidden states of the frozen blocks, a row for each row" } },
  // What is kept is in the view of the model: before its facts are known, params that hang on them would be guesses.
  params: () => ({}),
  applies: (params, facts) => {
    const { model = {}, rows = {} } = facts
    // A port left open has no facts.
    if (rows["rows"] === undefined) return { run: false, reason: `no rows at \`${options.rows}\`` }
    return options.applies(params, { model, rows })
  },
  resources: () => ({ cpu: "all" }),
  work: (_, { rows }) => onePass(rows, "tokens"),
  parts: engineParts,
  module: "steps/features/run",
  run: () => import("./run.ts")
})

/** What a later stage of the step reads of a features stage. */
export const featuresOf = (stage: string) => ({ from: { stage, output: FEATURES }, derived: true as const })

/** The part of a model that features hang on. */
const viewOf = ({ cut, pooled }: FeatureCut): string => (pooled === null ? `prefix/${cut}` : `pooled/${pooled}`)

/** What a view of a model of so many blocks keeps: `viewOf` read back. */
export const cutOfView = (view: string, blocks: number): FeatureCut => {
  const [what, which] = view.split("/")
  return what === "prefix" ? { cut: Number(which), pooled: null } : { cut: blocks, pooled: which as "mean" | "cls" }
}

/** The hidden states in front of the first block that the model's strategy trains: what a partly frozen model shares with its base. */
export const partialCut = (model: Facts): FeatureCut => ({ cut: Number(model["frozen_blocks"] ?? 0), pooled: null })

/** Whether a strategy leaves blocks in front of those that train, and their output is small enough to keep. */
export const isPartlyFrozen = (model: Facts, rows: Facts): boolean => {
  const { cut } = partialCut(model)
  return (
    cut > 0 && cut < Number(model["blocks"]) && featuresBytes(partialCut(model), model, rows) <= LARGEST_FEATURES_BYTES
  )
}

/** Bytes of the artifact: float32 hidden states of every token, or one vector a row. */
export const featuresBytes = ({ pooled }: FeatureCut, model: Facts, rows: Facts): number =>
  4 * Number(model["hidden_size"]) * Number(pooled === null ? rows["tokens"] : rows["rows"])

/** "168 MB", "1.5 GB" */
export const inMegabytes = (bytes: number): string => {
  const megabytes = bytes / 1e6
  return megabytes >= 1000
    ? `${(megabytes / 1000).toFixed(1)} GB`
    : `${megabytes < 10 ? megabytes.toFixed(1) : Math.round(megabytes)} MB`
}
