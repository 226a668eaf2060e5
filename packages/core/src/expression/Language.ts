/** What an expression may be; `any` where only the value itself tells. */
export type ValueType = "text" | "number" | "bool" | "list" | "any"

export type Value = string | number | boolean | null | ReadonlyArray<string>

export interface LanguageFunction {
  readonly takes: ReadonlyArray<ReadonlyArray<ValueType>>
  readonly gives: ValueType
  /** Never called with a null: the result then is null. */
  readonly of: (...values: ReadonlyArray<any>) => Value
}

/** What expressions of one use have in common: `where` is about the columns of a row, a sweep's are about params. */
export interface Language {
  /** What a name stands for: "column". */
  readonly noun: string
  readonly functions: Readonly<Record<string, LanguageFunction>>
  /** An expression, for hints. */
  readonly example: string
  /** Arguments for the hint on a call with too few. */
  readonly arguments: ReadonlyArray<string>
  /** What to do with a name that is no plain word. */
  readonly quoting: string
  /** A value that does not fit what is done with it. */
  readonly misfit: (message: string) => Error
}

/** A text as the number that it writes; null where it writes none. */
export const asNumber = (value: string | number): number | null => {
  if (typeof value === "number") return value
  const number = value.trim() === "" ? NaN : Number(value)
  return Number.isNaN(number) ? null : number
}
