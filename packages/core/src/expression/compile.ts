import type { Language, Value, ValueType } from "./Language.ts"
import { asNumber } from "./Language.ts"
import type { Arithmetic, Comparison, Expression } from "./parse.ts"
import { typeOfValue } from "./types.ts"

/** An expression as a function of the values of its names. Throws the language's misfit on a value that cannot be used so. */
export type Compiled = (lookup: (name: string) => unknown) => Value

export const compile = (part: Expression, language: Language): Compiled => {
  const number = numberOf(language)
  const inner = (of: Expression) => compile(of, language)
  if (part.kind === "literal") return () => part.value
  if (part.kind === "name") return (lookup) => valueOf(lookup(part.name), part.name, language)
  if (part.kind === "call") return compileCall(part, language)
  if (part.kind === "in") return compileIn(part, language)
  if ("of" in part) {
    const of = inner(part.of)
    return part.kind === "not"
      ? (lookup) => of(lookup) !== true
      : (lookup) => {
          const value = number(of(lookup))
          return value === null ? null : -value
        }
  }
  const [left, right] = [inner(part.left), inner(part.right)]
  if (part.kind === "and") return (lookup) => left(lookup) === true && right(lookup) === true
  if (part.kind === "or") return (lookup) => left(lookup) === true || right(lookup) === true
  if (part.kind === "compare") {
    const { operator } = part
    return (lookup) => compare(operator, left(lookup), right(lookup), number)
  }
  const { operator } = part as Extract<Expression, { kind: "arithmetic" }>
  return (lookup) => calculate(operator, number(left(lookup)), number(right(lookup)))
}

const valueOf = (value: unknown, name: string, { misfit, noun }: Language): Value => {
  if (value === undefined || value === null) return null
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value
  if (typeof value === "bigint") return Number(value)
  if (Array.isArray(value)) return value.map(String)
  throw misfit(`${noun} "${name}" holds an object, which cannot be compared`)
}

type ToNumber = (value: Value) => number | null

/** A number, from a text that writes one. */
const numberOf =
  ({ misfit }: Language): ToNumber =>
  (value) => {
    if (value === null || typeof value === "number") return value
    const found = typeof value === "string" ? asNumber(value) : null
    if (found === null) throw misfit(`a number is needed, and there is ${JSON.stringify(value)}`)
    return found
  }

const compileCall = ({ args, name }: Extract<Expression, { kind: "call" }>, language: Language): Compiled => {
  const inner = args.map((argument) => compile(argument, language))
  const { of, takes } = language.functions[name]!
  const number = numberOf(language)
  return (lookup) => {
    const values = inner.map((value, at) => fitted(value(lookup), takes[at]!, number))
    return values.includes(null) ? null : of(...values)
  }
}

/** A value whose type only it tells, as a function needs it. */
const fitted = (value: Value, wanted: ReadonlyArray<ValueType>, number: ToNumber): Value => {
  if (value === null || Array.isArray(value) || wanted.includes(typeOfValue(value as string))) return value
  return wanted.includes("text") ? String(value) : number(value)
}

const compileIn = ({ among, of }: Extract<Expression, { kind: "in" }>, language: Language): Compiled => {
  const value = compile(of, language)
  const number = numberOf(language)
  return (lookup) => {
    const found = value(lookup)
    return among.some((one) => compare("==", found, one, number))
  }
}

const same = (left: Value, right: Value): boolean => {
  if (typeof left === typeof right || left === null || right === null) return left === right
  // A CSV column is text: 1 and "1", true and "true" are meant alike.
  if (typeof left === "number" && typeof right === "string") return asNumber(right) === left
  if (typeof left === "string" && typeof right === "number") return asNumber(left) === right
  return String(left).toLowerCase() === String(right).toLowerCase()
}

/** Null is equal to null alone, and neither less nor more than anything. Texts are ordered by code unit. */
const compare = (operator: Comparison, left: Value, right: Value, number: ToNumber): boolean => {
  if (operator === "==") return same(left, right)
  if (operator === "!=") return !same(left, right)
  if (left === null || right === null) return false
  const areTexts = typeof left === "string" && typeof right === "string"
  const [a, b] = areTexts ? [left, right] : [number(left)!, number(right)!]
  if (operator === "<") return a < b
  if (operator === "<=") return a <= b
  return operator === ">" ? a > b : a >= b
}

const calculate = (operator: Arithmetic, left: number | null, right: number | null): number | null => {
  if (left === null || right === null) return null
  if (operator === "+") return left + right
  if (operator === "-") return left - right
  if (operator === "*") return left * right
  return operator === "/" ? left / right : left % right
}
