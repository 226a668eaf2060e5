import type { Json, JsonObject } from "./Json.ts"

/** What flows along an edge. Each kind has one Arrow layout, described in packages/steps/src/artifacts/README.md. */
export type PortKind =
  | "rows"
  | "tokens"
  | "model"
  | "tokenizer"
  | "features"
  | "history"
  | "predictions"
  | "metrics"
  | "comparison"
  | "folder"

export type ScalarType = "utf8" | "int32" | "int64" | "float32" | "float64" | "bool" | "binary"

/** An Arrow column as far as it is known before anything runs. */
export interface ColumnType {
  readonly type: ScalarType | "dictionary" | `list<${ScalarType}>`
  readonly nullable: boolean
  /** The names of a label column, sorted, where they are known. */
  readonly labels?: ReadonlyArray<string>
}

/** What decides the graph of a `model`, where it is known before anything runs. */
export interface ModelShape {
  /** As in the model's `config.json`. */
  readonly config: JsonObject
  /** What the head reads of a row; null where the model has none. */
  readonly pooling: string | null
  /** What `freeze` chose to train; absent where everything does. */
  readonly strategy?: Json
}

/** The type of an edge: its kind, its columns and what the steps before it said about it. */
export interface PortType {
  readonly kind: PortKind
  readonly columns?: Readonly<Record<string, ColumnType>>
  /** The task that the rows or the model are for, where it is known. */
  readonly task?: string
  /** The model family (`bert`), for `model`, where it is known. */
  readonly family?: string
  /** Whether a `model` can classify by itself, where it is known. */
  readonly head?: boolean
  /** The class names of a `model` with a head, in the order of its logits, where they are known. */
  readonly labels?: ReadonlyArray<string>
  /** Of a `model`. */
  readonly shape?: ModelShape
  /** Of `tokens`: more than this many no row has. */
  readonly max_length?: number
}

export interface InputPort {
  readonly accepts: ReadonlyArray<PortKind>
  readonly description: string
  readonly optional?: boolean
  /** Takes all instances of a step with a `matrix` at once, instead of one each. */
  readonly gather?: boolean
  /** Columns that must be there, by name. */
  readonly columns?: Readonly<
    Record<string, { readonly type: ReadonlyArray<ColumnType["type"]>; readonly why: string }>
  >
}

export interface OutputPort {
  readonly kind: PortKind
  readonly description: string
  /** Rows that nothing may be chosen by: what is told of them is told once, at the end. */
  readonly heldOut?: true
}

/** "rows {text: utf8, label: dictionary}" */
export const describePort = (type: PortType): string => {
  const columns = Object.entries(type.columns ?? {}).map(([name, column]) => `${name}: ${column.type}`)
  return columns.length === 0 ? type.kind : `${type.kind} {${columns.join(", ")}}`
}
