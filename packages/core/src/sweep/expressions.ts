import { type Compiled, compile } from "../expression/compile.ts"
import { ExpressionError, placed } from "../expression/ExpressionError.ts"
import type { Language, ValueType } from "../expression/Language.ts"
import { parse } from "../expression/parse.ts"
import { namesIn, requireType } from "../expression/types.ts"
import type { Json } from "../Json.ts"

/** A value that an expression cannot use: the trial it belongs to is not one. */
export class ParamMisfit extends Error {}

const number = ["number"] as const

/** The language of ties, conditions and constraints: over params, without code. */
export const paramLanguage: Language = {
  noun: "param",
  functions: {
    round: { takes: [number], gives: "number", of: (value: number) => Math.round(value) },
    min: { takes: [number, number], gives: "number", of: (a: number, b: number) => Math.min(a, b) },
    max: { takes: [number, number], gives: "number", of: (a: number, b: number) => Math.max(a, b) },
    log: {
      takes: [number],
      gives: "number",
      of: (value: number) => (value > 0 ? Math.log(value) : null)
    }
  },
  example: 'tuned.batch_size * tokens.max_length <= 8192 and trainable.strategy != "head"',
  arguments: ["tuned.epochs", "3"],
  quoting: "a step whose name is no plain word stands in `backticks` with its param: `my-step.param`",
  misfit: (message) => new ParamMisfit(message)
}

export interface ParamExpression {
  readonly text: string
  readonly names: ReadonlyArray<string>
  readonly value: Compiled
}

/** An expression over params of these types, or what is wrong with it. */
export const readExpression = (
  text: string,
  wanted: ReadonlyArray<ValueType>,
  types: Readonly<Record<string, ValueType>>
): ParamExpression | { readonly message: string; readonly hint: string } => {
  try {
    const parsed = parse(text, paramLanguage)
    requireType(parsed, wanted, types, paramLanguage)
    return { text, names: namesIn(parsed), value: compile(parsed, paramLanguage) }
  } catch (error) {
    if (error instanceof ExpressionError) return { message: placed(text, error), hint: error.hint }
    throw error
  }
}

/** A param as an expression sees it: of `{ partial: { last_blocks: 2 } }` its only key, of other maps their JSON. */
export const asOperand = (value: Json | undefined): Json | undefined => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value)
  return keys.length === 1 ? keys[0]! : JSON.stringify(value)
}

/** The type of a param by one of its values. */
export const typeOfParam = (value: Json | undefined): ValueType => {
  const seen = asOperand(value)
  if (typeof seen === "string") return typeof value === "string" ? "text" : "any"
  if (typeof seen === "number") return "number"
  if (typeof seen === "boolean") return "bool"
  return Array.isArray(seen) ? "list" : "any"
}
