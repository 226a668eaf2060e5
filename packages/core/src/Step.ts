import type { Effect } from "effect"
import type { Json, JsonObject } from "./Json.ts"
import type { ParamsSchema } from "./Params.ts"
import { semanticParams } from "./Params.ts"
import type { InputPort, OutputPort, PortType } from "./Port.ts"
import type { StageContext, StageResult, Work } from "./Stage.ts"

/** Small JSON that a step states about an output: rows, labels, blocks. Kept in the action record and read when planning. */
export type Facts = JsonObject

/** A file or folder that a step reads: resolved and digested before planning, so that its text never enters a key. */
export interface SourceRequest {
  /** As the user wrote it: a path (relative to the pipeline's folder), `npm:package/path`, `hf:org/name`. */
  readonly spec: string
  /** Part of the preimage beside the digest: the same bytes read as CSV and as text are different sources. */
  readonly format: string
  /** The param that names it, for placing a fault. */
  readonly param: string
  /** Names that the param takes beside places: what may have been meant where nothing is found. */
  readonly names?: ReadonlyArray<string>
}

/** What can be told of a source by reading its head: for `ingest` the columns, for `base` the family. */
export interface SourceHead {
  readonly columns?: ReadonlyArray<string>
  /** The format that the content shows, where the param said `auto`. */
  readonly format?: string
  readonly facts?: Facts
}

/** A fault found by a step in its own params or inputs: core adds the place. `path` counts from the step: ["with", "source"]. */
export interface StepFault {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
  readonly hint: string
}

export interface TypeContext<P> {
  readonly params: P
  /** Absent for an optional port that is not connected; a port whose own step has faults is `{ kind }` alone. */
  readonly inputs: Readonly<Record<string, PortType>>
  readonly heads: Readonly<Record<string, SourceHead>>
}

export interface Types {
  readonly outputs: Readonly<Record<string, PortType>>
  readonly faults: ReadonlyArray<StepFault>
}

export interface Resources {
  /** Processor slots, of as many as the machine has cores (default 1). A tensor stage takes all: its engine threads do. */
  readonly cpu: number | "all"
}

/** Where a stage's input comes from: a port of the step, or an output of an earlier stage of the same step. */
export type StageInputFrom = { readonly port: string } | { readonly stage: string; readonly output: string }

/** Facts of an input that the work reads: all of them, or those of these names. */
export type FactsRead = "all" | ReadonlyArray<string>

export interface StageInput<P> {
  readonly from: StageInputFrom
  /**
   * The part of the artifact that the result hangs on, as one of the views that its writer digested (`outputs[x].views`): the
   * `features` of a model's first four blocks hang on `prefix/4` alone. Absent: the whole content.
   */
  readonly view?: (params: P, facts: Facts) => string
  /**
   * The facts that the work is given. They are in the key beside the content, which need not say what they do: rows that are equal under
   * two limits of length state two limits. Absent: none.
   */
  readonly facts?: FactsRead
  /** Read by the work, with all its facts, but absent from the key: an intermediate that follows from the other inputs. */
  readonly derived?: true
}

export interface Applies {
  readonly run: boolean
  /** A clause for the plan: "4 of 6 blocks are frozen and 2 epochs read them: computed once". */
  readonly reason: string
}

/** What a stage is predicted to need, by its graph: nothing was run for it, and no engine loaded. */
export interface Forecast {
  /** Bytes that its process holds at most, runtime and libraries included. */
  readonly peak_memory_bytes: number
  /** Floating-point operations of one optimizer step over a full batch of the longest rows. */
  readonly flops_per_step: number
  /** Optimizer steps in all; null while the number of rows is not known. */
  readonly steps: number | null
  /** What that batch is: "16 rows of 128 tokens". */
  readonly batch: string
}

export interface ForecastContext<P> {
  readonly params: P
  /** By port, as in `types`. */
  readonly inputs: Readonly<Record<string, PortType>>
  /** By port, of the inputs that are there already. */
  readonly facts: Readonly<Record<string, Facts>>
}

/** Undefined where too little is known. */
export type Forecaster = (context: ForecastContext<any>) => Forecast | undefined

/**
 * A separately keyed part of a step. A plain step has one. Stages of different kinds that share `identity` share results:
 * `features` of `train` and of `evaluate` are one.
 */
export interface Stage<P> {
  readonly name: string
  readonly identity: string
  /** In every key: bump it when the same inputs and params would give other bytes although no code of the module changed. */
  readonly version: number
  /** Gets a seed derived from the root seed, the identity and `with.seed`. */
  readonly random: boolean
  /** The numerics class (engine, version, dtype) is part of the key. */
  readonly numerics: boolean
  /** The params in the key. */
  readonly params: (params: P, facts: Readonly<Record<string, Facts>>) => Readonly<Record<string, Json>>
  readonly inputs: Readonly<Record<string, StageInput<P>>>
  /** The step's outputs that it makes, or, for an intermediate, names of its own with their port. */
  readonly outputs: Readonly<Record<string, OutputPort>>
  /** Whether it takes part at all, decided from params and the facts of the inputs (by input name). Absent: always. */
  readonly applies?: (params: P, facts: Readonly<Record<string, Facts>>) => Applies
  /** Runs only when a stage that reads it must run. */
  readonly intermediate: boolean
  /** The params that name a trajectory of checkpoints: those of the key without what only says how far to go. */
  readonly trajectory?: (params: P) => Readonly<Record<string, Json>>
  readonly resources: (params: P) => Resources
  /** From params and the facts of the inputs, by the stage's names. Absent: its time does not hang on how much there is, or nobody knows. */
  readonly work?: (params: P, facts: Readonly<Record<string, Facts>>) => Work
  /** Loaded where a plan is shown in which the stage has to run. Must load neither Arrow nor an engine. */
  readonly forecast?: () => Promise<{ readonly forecast: Forecaster }>
  /** The module behind `run`, as the implementation digests name it: `steps/split/run`. */
  readonly module: string
  /**
   * Further parts of the implementation that this stage selects, by the facts of its inputs (`nn/models/bert/bert`) and the
   * numerics class (`nn/engines/session`): dynamically imported modules, which the digest of `module` leaves out.
   */
  readonly parts?: (params: P, facts: Readonly<Record<string, Facts>>, numericsClass: string) => ReadonlyArray<string>
  readonly run: () => Promise<{ readonly run: StageRun }>
}

/** What a step's output says of a measure: each value with the resource spent by then, and which of them is of what the step keeps. */
export interface Measured {
  readonly series: ReadonlyArray<{ readonly at: number; readonly value: number }>
  /** The value at the weights that are kept. */
  readonly kept: number | undefined
}

/** A number that trials of a sweep can be held against each other by. */
export interface Measure {
  readonly description: string
  readonly goal: "maximize" | "minimize"
  /** The input whose rows it is measured on: what chooses a trial must not be measured on held-out rows. */
  readonly on: string
  /** The output whose facts tell it. */
  readonly output: string
  readonly read: (facts: Facts) => Measured
  /** What `evaluate` calls the same number. */
  readonly like: string
  /** Whether rows of this type give it; absent: all do. */
  readonly fits?: (rows: PortType) => boolean
}

/** What a step can take less of, along the same way: the epochs of a training. */
export interface Resource {
  readonly name: string
  readonly param: string
  readonly total: (params: any) => number
  /** The params under which the step stops at `amount` of it, so that going on from there ends as if it had never stopped. */
  readonly until: (params: any, amount: number) => Readonly<Record<string, Json>>
  /** A clause for the plan, where raising the total begins anew; undefined where that goes on too. */
  readonly horizon: (params: any) => string | undefined
}

export type StageRun = (context: StageContext) => Effect.Effect<StageResult, unknown>

export interface Step<P = any> {
  readonly kind: string
  readonly summary: string
  readonly params: ParamsSchema
  readonly inputs: Readonly<Record<string, InputPort>>
  readonly outputs: Readonly<Record<string, OutputPort>>
  /** The output meant when the step alone is named; absent where there is no natural one (`split`). */
  readonly main: string | undefined
  readonly sources: (params: P) => Readonly<Record<string, SourceRequest>>
  /** Reads the head of a source; loaded only when the memo does not know it. Must import neither Arrow nor an engine. */
  readonly peek?: Peek
  /** Checks what can be checked before anything runs, and types the outputs. */
  readonly types: (context: TypeContext<P>) => Types
  readonly stages: ReadonlyArray<Stage<P>>
  /** What a sweep can go by; none where the step gives no such number. */
  readonly measures: Readonly<Record<string, Measure>>
  readonly resource?: Resource
}

export type Peek = () => Promise<{ readonly peek: (path: string, params: any) => Promise<SourceHead> }>

interface Common<S extends ParamsSchema> {
  readonly kind: string
  readonly summary: string
  readonly params: S
  readonly inputs: Readonly<Record<string, InputPort>>
  readonly outputs: Readonly<Record<string, OutputPort>>
  readonly main?: string
  readonly sources?: (params: S["Type"]) => Readonly<Record<string, SourceRequest>>
  readonly peek?: Peek
  readonly types: (context: TypeContext<S["Type"]>) => Types
  readonly measures?: Readonly<Record<string, Measure>>
  readonly resource?: Resource
}

type StageOptions<P> = Partial<Omit<Stage<P>, "name" | "run" | "module">> & Pick<Stage<P>, "name" | "run" | "module">

const stageDefaults = {
  version: 1,
  random: false,
  numerics: false,
  intermediate: false,
  resources: () => ({ cpu: 1 as const })
}

/** A step of several stages: see DECISIONS "Stages" in docs. Defaults: no seed, no numerics, all semantic params in the key. */
export const makeStaged = <S extends ParamsSchema>(
  options: Common<S> & { readonly stages: ReadonlyArray<StageOptions<S["Type"]>> }
): Step<S["Type"]> => ({
  ...options,
  main: options.main,
  sources: options.sources ?? (() => ({})),
  measures: options.measures ?? {},
  stages: options.stages.map((stage) => ({
    ...stageDefaults,
    identity: `${options.kind}/${stage.name}`,
    params: (params: S["Type"]) => semanticParams(options.params, params),
    inputs: {},
    outputs: {},
    ...stage
  }))
})

/** A step of one stage, which reads every port and makes every output. */
export const make = <S extends ParamsSchema>(
  options: Common<S> &
    Pick<StageOptions<S["Type"]>, "run" | "module" | "parts" | "work"> &
    Partial<Pick<Stage<S["Type"]>, "version" | "random" | "numerics" | "resources">> & {
      /** By port, the facts that the work reads: see `StageInput`. */
      readonly facts?: Readonly<Record<string, FactsRead>>
    }
): Step<S["Type"]> => {
  const { facts = {}, module, numerics, parts, random, resources, run, version, work, ...common } = options
  const inputs = Object.fromEntries(
    Object.keys(options.inputs).map((port): [string, StageInput<S["Type"]>] => {
      const read = facts[port]
      return [port, { from: { port }, ...(read === undefined ? {} : { facts: read }) }]
    })
  )
  const given = { module, numerics, parts, random, resources, version, work }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return makeStaged({
    ...common,
    stages: [{ name: options.kind, identity: options.kind, inputs, outputs: options.outputs, ...set, module, run }]
  })
}
