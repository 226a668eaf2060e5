import { suggest } from "../file/Suggest.ts"
import { ExpressionError } from "./ExpressionError.ts"
import type { Language } from "./Language.ts"
import { type Token, tokensOf } from "./tokens.ts"

export type Literal = string | number | boolean | null

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">="
export type Arithmetic = "+" | "-" | "*" | "/" | "%"

/** An expression, each part with the place where it begins. */
export type Expression = { readonly column: number } & (
  | { readonly kind: "literal"; readonly value: Literal }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "call"; readonly name: string; readonly args: ReadonlyArray<Expression> }
  | { readonly kind: "not" | "minus"; readonly of: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: "arithmetic"
      readonly operator: Arithmetic
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: "in"; readonly of: Expression; readonly among: ReadonlyArray<Literal> }
)

const comparisons: ReadonlyArray<string> = ["==", "!=", "<", "<=", ">", ">="]

/** Parentheses within parentheses that an expression may have: more would exhaust the stack. */
const DEEPEST = 200

/** Operators that an expression may have: what reads and computes it goes down a chain of them call by call, too. */
const MOST_OPERATORS = 1000

/**
 * Reads an expression: `or` binds least, then `and`, `not`, comparisons and `in [...]`, `+ -`, `* / %`, a minus. Throws ExpressionError.
 */
export const parse = (expression: string, language: Language): Expression =>
  new Parser(tokensOf(expression, language), language).whole()

class Parser {
  readonly #tokens: ReadonlyArray<Token>
  readonly #language: Language
  #at = 0
  #depth = 0
  #operators = 0

  constructor(tokens: ReadonlyArray<Token>, language: Language) {
    this.#tokens = tokens
    this.#language = language
  }

  whole(): Expression {
    const found = this.#or()
    if (this.#next.kind !== "end") throw this.#unexpected("and, or, or the end")
    return found
  }

  get #next(): Token {
    return this.#tokens[this.#at]!
  }

  #takes(...values: ReadonlyArray<string>): Token | undefined {
    const { kind, value } = this.#next
    return (kind === "name" || kind === "symbol") && values.includes(value) ? this.#tokens[this.#at++]! : undefined
  }

  #operator(...values: ReadonlyArray<string>): Token | undefined {
    const token = this.#takes(...values)
    if (token !== undefined && ++this.#operators > MOST_OPERATORS)
      throw new ExpressionError(
        `the expression has more than ${MOST_OPERATORS} operators`,
        token.column,
        `compare with many values at once: ${this.#language.noun} in [...]`
      )
    return token
  }

  #expect(value: string): void {
    if (this.#takes(value) === undefined) throw this.#unexpected(`\`${value}\``)
  }

  #unexpected(wanted: string): ExpressionError {
    const { column, kind, value } = this.#next
    const found = kind === "end" ? "the expression ends" : `\`${value}\` stands`
    return new ExpressionError(`${found} where ${wanted} should`, column, `for example: ${this.#language.example}`)
  }

  #or(): Expression {
    let left = this.#and()
    for (let token = this.#operator("or"); token !== undefined; token = this.#operator("or"))
      left = { kind: "or", column: token.column, left, right: this.#and() }
    return left
  }

  #and(): Expression {
    let left = this.#not()
    for (let token = this.#operator("and"); token !== undefined; token = this.#operator("and"))
      left = { kind: "and", column: token.column, left, right: this.#not() }
    return left
  }

  #not(): Expression {
    const token = this.#takes("not")
    return token === undefined
      ? this.#comparison()
      : { kind: "not", column: token.column, of: this.#deeper(() => this.#not()) }
  }

  #comparison(): Expression {
    const left = this.#sum()
    const { column } = this.#next
    const operator = this.#takes(...comparisons)
    if (operator !== undefined)
      return { kind: "compare", operator: operator.value as Comparison, column, left, right: this.#sum() }
    const negated = this.#tokens[this.#at + 1]?.value === "in" ? this.#takes("not") : undefined
    if (this.#takes("in") === undefined) return left
    const among: Expression = { kind: "in", column, of: left, among: this.#list() }
    return negated === undefined ? among : { kind: "not", column, of: among }
  }

  #list(): ReadonlyArray<Literal> {
    this.#expect("[")
    const found: Array<Literal> = []
    do {
      const sign = this.#takes("-") === undefined ? 1 : -1
      const { value } = this.#literal() ?? this.#fail("a text or a number")
      found.push(typeof value === "number" ? sign * value : value)
    } while (this.#takes(",") !== undefined)
    this.#expect("]")
    return found
  }

  #fail(wanted: string): never {
    throw this.#unexpected(wanted)
  }

  #sum(): Expression {
    let left = this.#product()
    for (let token = this.#operator("+", "-"); token !== undefined; token = this.#operator("+", "-"))
      left = {
        kind: "arithmetic",
        operator: token.value as Arithmetic,
        column: token.column,
        left,
        right: this.#product()
      }
    return left
  }

  #product(): Expression {
    let left = this.#unary()
    for (let token = this.#operator("*", "/", "%"); token !== undefined; token = this.#operator("*", "/", "%"))
      left = {
        kind: "arithmetic",
        operator: token.value as Arithmetic,
        column: token.column,
        left,
        right: this.#unary()
      }
    return left
  }

  #unary(): Expression {
    const token = this.#takes("-")
    return token === undefined
      ? this.#primary()
      : { kind: "minus", column: token.column, of: this.#deeper(() => this.#unary()) }
  }

  #deeper<A>(read: () => A): A {
    if (++this.#depth > DEEPEST)
      throw new ExpressionError("the expression is nested too deeply", this.#next.column, "write it in several steps")
    const found = read()
    this.#depth--
    return found
  }

  #primary(): Expression {
    const literal = this.#literal()
    if (literal !== undefined) return literal
    const { column, kind, value } = this.#next
    if (this.#takes("(") !== undefined) {
      const inner = this.#deeper(() => this.#or())
      this.#expect(")")
      return inner
    }
    if (kind !== "name" || ["and", "or", "not", "in"].includes(value))
      throw this.#unexpected(`a ${this.#language.noun}, a text or a number`)
    this.#at++
    return this.#takes("(") === undefined ? { kind: "name", column, name: value } : this.#call(value, column)
  }

  #call(name: string, column: number): Expression {
    const { functions } = this.#language
    if (!Object.hasOwn(functions, name))
      throw new ExpressionError(`there is no function \`${name}\``, column, suggest(name, Object.keys(functions)))
    const args: Array<Expression> = []
    if (this.#takes(")") === undefined) {
      do args.push(this.#deeper(() => this.#or()))
      while (this.#takes(",") !== undefined)
      this.#expect(")")
    }
    return { kind: "call", column, name, args }
  }

  #literal(): { readonly kind: "literal"; readonly column: number; readonly value: Literal } | undefined {
    const { column, kind, value } = this.#next
    const words: Record<string, Literal> = { true: true, false: false, null: null }
    const isWord = kind === "name" && Object.hasOwn(words, value)
    if (kind !== "number" && kind !== "text" && !isWord) return undefined
    this.#at++
    return {
      kind: "literal",
      column,
      value: kind === "number" ? Number(value) : kind === "text" ? value : words[value]!
    }
  }
}
