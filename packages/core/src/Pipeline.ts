import type { Path, Place } from "./file/Document.ts"
import type { PortType } from "./Port.ts"
import type { SourceRequest, Step } from "./Step.ts"

/** The kinds of steps that a pipeline may use, by name. */
export type Registry = Readonly<Record<string, Step>>

/** The output of a step, as an edge names it. */
export interface OutputRef {
  readonly step: string
  readonly output: string
}

/** A step as written and decoded: its `with` typed and filled with defaults, its inputs resolved to outputs. */
export interface PipelineStep {
  /** As written, and for an instance of a matrix its binding: `tuned@lr=1e-4`. */
  readonly name: string
  /** The name under `steps:` in the file. */
  readonly written: string
  readonly definition: Step
  readonly params: any
  /** By port; an instance gathered by a port stands under `port@binding`. */
  readonly inputs: Readonly<Record<string, OutputRef>>
  readonly sources: Readonly<Record<string, SourceRequest>>
  /** By name, params of the key whose values came from the environment, with what stands for them in keys and records. */
  readonly hidden: Readonly<Record<string, string>>
}

/** A pipeline as written: all its faults that need no look at data are known to be absent. Steps come in an order that runs. */
export interface Pipeline {
  readonly name: string
  readonly seed: number
  readonly steps: ReadonlyArray<PipelineStep>
  /** The file as it stands in messages, and every text read for it, by file. */
  readonly file: string
  readonly texts: Readonly<Record<string, string>>
  /** What is said, with placeholders for the values of environment variables that stand in no file. */
  readonly conceal: <A>(said: A) => A
  /** Bytes that `resources` leaves to stages side by side; null where it says nothing. */
  readonly memory: number | null
  /** Where a part of the file stands, also when `--set` put it there. */
  readonly place: (path: Path, what: "key" | "value") => Place
}

/** The types of every step's outputs: step name -> output name -> type. */
export type PipelineTypes = Readonly<Record<string, Readonly<Record<string, PortType>>>>
