import { suggest } from "../file/Suggest.ts"
import { ExpressionError } from "./ExpressionError.ts"
import type { Language, ValueType } from "./Language.ts"
import type { Expression } from "./parse.ts"

/** The types of the names that an expression may use; undefined where they are not known: then any name is taken. */
export type Names = Readonly<Record<string, ValueType>> | undefined

const words: Readonly<Record<ValueType, string>> = {
  text: "a text",
  number: "a number",
  bool: "true or false",
  list: "a list",
  any: "a value"
}

/** The type of an expression, which must be one of `wanted`. Throws ExpressionError at the part that does not fit. */
export const requireType = (
  part: Expression,
  wanted: ReadonlyArray<ValueType>,
  names: Names,
  language: Language
): ValueType => {
  const found = typeOf(part, names, language)
  if (found === "any" || wanted.includes(found)) return found
  const hint =
    wanted[0] === "number" && found === "text" && Object.hasOwn(language.functions, "number")
      ? "write number(...) around it"
      : wanted[0] === "bool"
        ? "compare it: == != < <= > >= in [...]"
        : ""
  throw new ExpressionError(
    `this is ${words[found]}, and ${wanted.map((type) => words[type]).join(" or ")} is needed`,
    part.column,
    hint
  )
}

const typeOf = (part: Expression, names: Names, language: Language): ValueType => {
  const require = (inner: Expression, ...wanted: ReadonlyArray<ValueType>) =>
    requireType(inner, wanted, names, language)
  if (part.kind === "literal") return part.value === null ? "any" : typeOfValue(part.value)
  if (part.kind === "name") return nameType(part, names, language)
  if (part.kind === "call") return callType(part, names, language)
  if (part.kind === "minus") return require(part.of, "number")
  if (part.kind === "in") return inType(part, require(part.of, "text", "number", "bool"), language)
  if (part.kind === "arithmetic") {
    require(part.left, "number")
    return require(part.right, "number") && "number"
  }
  if (part.kind === "compare") return comparisonType(part, names, language)
  for (const inner of "of" in part ? [part.of] : [part.left, part.right]) require(inner, "bool")
  return "bool"
}

export const typeOfValue = (value: string | number | boolean): ValueType =>
  typeof value === "string" ? "text" : typeof value === "number" ? "number" : "bool"

const nameType = (
  { column, name }: Extract<Expression, { kind: "name" }>,
  names: Names,
  { noun }: Language
): ValueType => {
  if (names === undefined) return "any"
  const type = Object.hasOwn(names, name) ? names[name] : undefined
  if (type !== undefined) return type
  throw new ExpressionError(`there is no ${noun} \`${name}\``, column, suggest(name, Object.keys(names)))
}

const inType = (
  { among, column }: Extract<Expression, { kind: "in" }>,
  found: ValueType,
  { noun }: Language
): ValueType => {
  const other = among.find((value) => value !== null && found !== "any" && typeOfValue(value) !== found)
  if (other === undefined) return "bool"
  const message = `${JSON.stringify(other)} is never ${words[found]}`
  throw new ExpressionError(message, column, `list values of the ${noun}'s own type`)
}

const callType = (
  { args, column, name }: Extract<Expression, { kind: "call" }>,
  names: Names,
  language: Language
): ValueType => {
  const { gives, takes } = language.functions[name]!
  if (args.length !== takes.length) {
    const message = `\`${name}\` takes ${takes.length === 1 ? "one value" : `${takes.length} values`}, and is given ${args.length}`
    const hint = `for example ${name}(${language.arguments.slice(0, takes.length).join(", ")})`
    throw new ExpressionError(message, column, hint)
  }
  args.forEach((argument, at) => requireType(argument, takes[at]!, names, language))
  return gives
}

const comparisonType = (
  part: Extract<Expression, { kind: "compare" }>,
  names: Names,
  language: Language
): ValueType => {
  const left = requireType(part.left, ["text", "number", "bool"], names, language)
  const right = requireType(part.right, ["text", "number", "bool"], names, language)
  if (left === right || left === "any" || right === "any") return "bool"
  const isTextAndNumber = [left, right].includes("text") && [left, right].includes("number")
  const hint = isTextAndNumber && Object.hasOwn(language.functions, "number") ? "write number(...) around the text" : ""
  throw new ExpressionError(`${words[left]} is compared with ${words[right]}`, part.column, hint)
}

/** The names that an expression uses, in the order met. */
export const namesIn = (expression: Expression): ReadonlyArray<string> => {
  const found = new Set<string>()
  const visit = (part: Expression): void => {
    if (part.kind === "name") found.add(part.name)
    else if (part.kind === "call") part.args.forEach(visit)
    else if ("of" in part) visit(part.of)
    else if ("left" in part) [part.left, part.right].forEach(visit)
  }
  visit(expression)
  return [...found]
}
