import { compile } from "@hone/core/expression/compile"
import { ExpressionError, placed } from "@hone/core/expression/ExpressionError"
import type { Language, ValueType } from "@hone/core/expression/Language"
import { parse } from "@hone/core/expression/parse"
import { namesIn, requireType } from "@hone/core/expression/types"
import { functions } from "./functions.ts"

/** Whether a row is meant, given its columns by name. Throws RowFault where a value is not what the expression needs. */
export type Predicate = (column: (name: string) => unknown) => boolean

/** A value of one row that does not fit the expression. */
export class RowFault extends Error {}

const language: Language = {
  noun: "column",
  functions,
  example: 'length(text) > 20 and label != "spam"',
  arguments: ["text", '"part"'],
  quoting: "a column whose name is no plain word stands in `backticks`",
  misfit: (message) => new RowFault(`in \`where\` ${message}`)
}

/** What is wrong with an expression over these columns (undefined: not known), placed; or undefined. */
export const whereFault = (
  expression: string,
  columns: Readonly<Record<string, ValueType>> | undefined
): { readonly message: string; readonly hint: string } | undefined => {
  try {
    requireType(parse(expression, language), ["bool"], columns, language)
    return undefined
  } catch (error) {
    if (error instanceof ExpressionError) return { message: placed(expression, error), hint: error.hint }
    throw error
  }
}

/** The expression as a function of a row. Throws ExpressionError on one that does not parse. */
export const predicateOf = (expression: string): Predicate => {
  const value = compile(parse(expression, language), language)
  return (column) => value(column) === true
}

/** The columns that an expression reads, in the order met. */
export const columnsOf = (expression: string): ReadonlyArray<string> => namesIn(parse(expression, language))
