import { fingerprint } from "../Canonical.ts"
import type { Path } from "../file/Document.ts"
import type { Json } from "../Json.ts"
import type { Measure, Resource } from "../Step.ts"
import type { Domain } from "./Domain.ts"
import type { ParamExpression } from "./expressions.ts"

/** The params of a trial, by path: `tuned.learning_rate`, `params.max_length`. */
export type TrialParams = Readonly<Record<string, Json>>

/** Something that is drawn for each trial: a param, or which of the bundles. */
export interface Dimension {
  readonly path: string
  readonly domain: Domain
}

/** The path under which a trial's bundle is drawn: no param is called so. */
export const bundlePath = "bundles"

/** How a param of the space comes to its value, in an order in which what an expression reads stands before it. */
export interface SpaceParam {
  readonly path: string
  readonly from: Domain | ParamExpression
  readonly when: ParamExpression | undefined
}

export interface Space {
  readonly params: ReadonlyArray<SpaceParam>
  readonly bundles: ReadonlyArray<TrialParams>
  readonly constraints: ReadonlyArray<ParamExpression>
  /** What the pipeline says of a param that a trial leaves as it is. */
  readonly base: (path: string) => Json | undefined
  /** A param that another one brings by `${params.NAME}`. */
  readonly alias: (path: string) => string
}

/** A measure of a step, as an objective or a rung is told by. */
export interface Metric {
  /** As written: `tuned.validation_accuracy`. */
  readonly path: string
  readonly step: string
  readonly measure: Measure
  readonly goal: "maximize" | "minimize"
  /** Where it is named in the block. */
  readonly named: Path
}

export interface Pruning {
  readonly method: "asha" | "median" | "threshold"
  readonly metric: Metric
  readonly resource: Resource
  readonly rungs: ReadonlyArray<number>
  /** Of the trials at a rung, the share that goes on: `asha`. */
  readonly keep: number
  /** What a trial must reach at every rung: `threshold`. */
  readonly threshold: number
  /** Nothing is stopped at a rung before so many have come to it. */
  readonly start_after: number
}

export type Method = "grid" | "list" | "random" | "quasi_random" | "tpe"

/** A sweep without faults: what is tried, how it is chosen, what is told of it. */
export interface Sweep {
  readonly objective: Metric & { readonly at: "best" | "last" }
  readonly search: {
    readonly method: Method
    readonly seed: number
    /** null: all that there are. */
    readonly max_trials: number | null
    readonly parallel: number
  }
  readonly budget: { readonly wall_seconds: number | null; readonly device_seconds: number | null }
  /** Bytes that trials side by side may take together; null: what the machine has. */
  readonly memory: number | null
  readonly space: Space
  readonly start: ReadonlyArray<TrialParams>
  readonly replicates: { readonly seeds: number; readonly top: number | null }
  readonly prune: Pruning | null
  readonly failure: { readonly retry: number; readonly trial: "continue" | "stop"; readonly stop_after: number | null }
}

export const isExpression = (from: SpaceParam["from"]): from is ParamExpression => "text" in from

/** Everything that is drawn, the bundle first. */
export const dimensionsOf = ({ bundles, params }: Space): ReadonlyArray<Dimension> => [
  ...(bundles.length < 2
    ? []
    : [{ path: bundlePath, domain: { kind: "choice", values: bundles.map((_, at) => at) } } as const]),
  ...params.flatMap(({ from, path }) => (isExpression(from) ? [] : [{ path, domain: from }]))
]

/** The name of a trial: equal params are one trial, whoever asked for them. */
export const trialId = (params: TrialParams): string =>
  fingerprint("hone-trial/1", params as Json as never).slice(0, 12)
