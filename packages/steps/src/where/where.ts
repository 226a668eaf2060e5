import { suggest } from "@hone/core/file/Suggest"
import { asNumber, functions, type Value, type ValueType } from "./functions.ts"
import { type Arithmetic, type Comparison, type Expression, parse } from "./parse.ts"
import { placed, WhereError } from "./WhereError.ts"

/** Whether a row is meant, given its columns by name. Throws RowFault where a value is not what the expression needs. */
export type Predicate = (column: (name: string) => unknown) => boolean

/** A value of one row that does not fit the expression. */
export class RowFault extends Error {}

/** What is wrong with an expression over these columns (undefined: not known), placed; or undefined. */
export const whereFault = (
  expression: string,
  columns: Readonly<Record<string, ValueType>> | undefined
): { readonly message: string; readonly hint: string } | undefined => {
  try {
    requireType(parse(expression), ["bool"], columns)
    return undefined
  } catch (error) {
    if (error instanceof WhereError) return { message: placed(expression, error), hint: error.hint }
    throw error
  }
}

/** The expression as a function of a row. Throws WhereError on one that does not parse. */
export const predicateOf = (expression: string): Predicate => {
  const value = compile(parse(expression))
  return (column) => value(column) === true
}

/** The columns that an expression reads, in the order met. */
export const columnsOf = (expression: string): ReadonlyArray<string> => {
  const found = new Set<string>()
  const visit = (part: Expression): void => {
    if (part.kind === "name") found.add(part.name)
    else if (part.kind === "call") part.args.forEach(visit)
    else if ("of" in part) visit(part.of)
    else if ("left" in part) [part.left, part.right].forEach(visit)
  }
  visit(parse(expression))
  return [...found]
}

type Columns = Readonly<Record<string, ValueType>> | undefined

const words: Readonly<Record<ValueType, string>> = {
  text: "a text",
  number: "a number",
  bool: "true or false",
  list: "a list",
  any: "a value"
}

const requireType = (part: Expression, wanted: ReadonlyArray<ValueType>, columns: Columns): ValueType => {
  const found = typeOf(part, columns)
  if (found === "any" || wanted.includes(found)) return found
  const hint =
    wanted[0] === "number" && found === "text"
      ? "write number(...) around it"
      : wanted[0] === "bool"
        ? "compare it: == != < <= > >= in [...]"
        : ""
  throw new WhereError(
    `this is ${words[found]}, and ${wanted.map((type) => words[type]).join(" or ")} is needed`,
    part.column,
    hint
  )
}

const typeOf = (part: Expression, columns: Columns): ValueType => {
  if (part.kind === "literal") return part.value === null ? "any" : typeOfValue(part.value)
  if (part.kind === "name") return columnType(part, columns)
  if (part.kind === "call") return callType(part, columns)
  if (part.kind === "minus") return requireType(part.of, ["number"], columns)
  if (part.kind === "in") {
    const found = requireType(part.of, ["text", "number", "bool"], columns)
    const other = part.among.find((value) => value !== null && found !== "any" && typeOfValue(value) !== found)
    if (other === undefined) return "bool"
    throw new WhereError(
      `${JSON.stringify(other)} is never ${words[found]}`,
      part.column,
      "list values of the column's own type"
    )
  }
  if (part.kind === "arithmetic") {
    requireType(part.left, ["number"], columns)
    return requireType(part.right, ["number"], columns) && "number"
  }
  if (part.kind === "compare") return comparisonType(part, columns)
  for (const inner of "of" in part ? [part.of] : [part.left, part.right]) requireType(inner, ["bool"], columns)
  return "bool"
}

const typeOfValue = (value: string | number | boolean): ValueType =>
  typeof value === "string" ? "text" : typeof value === "number" ? "number" : "bool"

const columnType = ({ column, name }: Extract<Expression, { kind: "name" }>, columns: Columns): ValueType => {
  if (columns === undefined) return "any"
  const type = Object.hasOwn(columns, name) ? columns[name] : undefined
  if (type !== undefined) return type
  throw new WhereError(`there is no column \`${name}\``, column, suggest(name, Object.keys(columns)))
}

const callType = ({ args, column, name }: Extract<Expression, { kind: "call" }>, columns: Columns): ValueType => {
  const { gives, takes } = functions[name]
  if (args.length !== takes.length) {
    const message = `\`${name}\` takes ${takes.length === 1 ? "one value" : `${takes.length} values`}, and is given ${args.length}`
    throw new WhereError(
      message,
      column,
      `for example ${name}(${takes.map((_, at) => (at === 0 ? "text" : '"part"')).join(", ")})`
    )
  }
  args.forEach((argument, at) => requireType(argument, takes[at]!, columns))
  return gives
}

const comparisonType = (part: Extract<Expression, { kind: "compare" }>, columns: Columns): ValueType => {
  const left = requireType(part.left, ["text", "number", "bool"], columns)
  const right = requireType(part.right, ["text", "number", "bool"], columns)
  if (left === right || left === "any" || right === "any") return "bool"
  const hint =
    [left, right].includes("text") && [left, right].includes("number") ? "write number(...) around the text" : ""
  throw new WhereError(`${words[left]} is compared with ${words[right]}`, part.column, hint)
}

type Compiled = (column: (name: string) => unknown) => Value

const compile = (part: Expression): Compiled => {
  if (part.kind === "literal") return () => part.value
  if (part.kind === "name") return (column) => valueOf(column(part.name), part.name)
  if (part.kind === "call") return compileCall(part)
  if (part.kind === "in") return compileIn(part)
  if ("of" in part) {
    const of = compile(part.of)
    return part.kind === "not"
      ? (column) => of(column) !== true
      : (column) => {
          const value = number(of(column))
          return value === null ? null : -value
        }
  }
  const [left, right] = [compile(part.left), compile(part.right)]
  if (part.kind === "and") return (column) => left(column) === true && right(column) === true
  if (part.kind === "or") return (column) => left(column) === true || right(column) === true
  if (part.kind === "compare") {
    const { operator } = part
    return (column) => compare(operator, left(column), right(column))
  }
  const { operator } = part as Extract<Expression, { kind: "arithmetic" }>
  return (column) => calculate(operator, number(left(column)), number(right(column)))
}

const valueOf = (value: unknown, name: string): Value => {
  if (value === undefined || value === null) return null
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value
  if (typeof value === "bigint") return Number(value)
  if (Array.isArray(value)) return value.map(String)
  throw new RowFault(`column "${name}" holds an object, which \`where\` cannot compare`)
}

const compileCall = ({ args, name }: Extract<Expression, { kind: "call" }>): Compiled => {
  const inner = args.map(compile)
  const { of, takes } = functions[name] as {
    readonly of: (...values: ReadonlyArray<any>) => Value
    readonly takes: ReadonlyArray<ReadonlyArray<ValueType>>
  }
  return (column) => {
    const values = inner.map((value, at) => fitted(value(column), takes[at]!))
    return values.includes(null) ? null : of(...values)
  }
}

/** A value of a column whose type only the row tells, as a function needs it. */
const fitted = (value: Value, wanted: ReadonlyArray<ValueType>): Value => {
  if (value === null || Array.isArray(value) || wanted.includes(typeOfValue(value as string))) return value
  return wanted.includes("text") ? String(value) : number(value)
}

const compileIn = ({ among, of }: Extract<Expression, { kind: "in" }>): Compiled => {
  const value = compile(of)
  return (column) => {
    const found = value(column)
    return among.some((one) => compare("==", found, one))
  }
}

/** A number, from a text that writes one. Throws RowFault on another text. */
const number = (value: Value): number | null => {
  if (value === null || typeof value === "number") return value
  const found = typeof value === "string" ? asNumber(value) : null
  if (found === null) throw new RowFault(`\`where\` needs a number, and the row has ${JSON.stringify(value)}`)
  return found
}

const same = (left: Value, right: Value): boolean => {
  if (typeof left === typeof right || left === null || right === null) return left === right
  // A CSV column is text: 1 and "1", true and "true" are meant alike.
  if (typeof left === "number" && typeof right === "string") return asNumber(right) === left
  if (typeof left === "string" && typeof right === "number") return asNumber(left) === right
  return String(left).toLowerCase() === String(right).toLowerCase()
}

/** Null is equal to null alone, and neither less nor more than anything. Texts are ordered by code unit. */
const compare = (operator: Comparison, left: Value, right: Value): boolean => {
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
