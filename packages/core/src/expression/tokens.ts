import { ExpressionError } from "./ExpressionError.ts"
import type { Language } from "./Language.ts"

export type TokenKind = "number" | "text" | "name" | "symbol" | "end"

export interface Token {
  readonly kind: TokenKind
  readonly value: string
  /** From 1. */
  readonly column: number
}

const pattern =
  /\s+|(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`(?<quoted>[^`]+)`|(?<name>[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*)*)|(?<symbol>==|!=|<=|>=|[-+*/%<>()[\],])/uy

/** Cuts an expression into tokens; the last has the kind `end`. A name may have parts: `tuned.learning_rate`. Throws ExpressionError on what is none. */
export const tokensOf = (expression: string, { quoting }: Language): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  let at = 0
  while (at < expression.length) {
    pattern.lastIndex = at
    const match = pattern.exec(expression)
    if (match === null) throw strange(expression, at, quoting)
    const token = tokenOf(match.groups!, at + 1)
    if (token !== undefined) tokens.push(token)
    at = pattern.lastIndex
  }
  return [...tokens, { kind: "end", value: "", column: expression.length + 1 }]
}

const tokenOf = (groups: Record<string, string | undefined>, column: number): Token | undefined => {
  const { name, number, quoted, symbol, text } = groups
  if (number !== undefined) return { kind: "number", value: number, column }
  if (text !== undefined) return { kind: "text", value: unquoted(text), column }
  if (name !== undefined) return { kind: "name", value: name, column }
  if (quoted !== undefined) return { kind: "name", value: quoted, column }
  return symbol === undefined ? undefined : { kind: "symbol", value: symbol, column }
}

const unquoted = (text: string): string =>
  text.slice(1, -1).replace(/\\(.)/gsu, (_, character: string) => ({ n: "\n", t: "\t" })[character] ?? character)

const strange = (expression: string, at: number, quoting: string): ExpressionError => {
  const character = expression[at]!
  if (character === '"' || character === "'")
    return new ExpressionError("the text that opens here is not closed", at + 1, `close it with ${character}`)
  const hints: Record<string, string> = {
    "=": "write == to compare",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != to compare"
  }
  return new ExpressionError(`\`${character}\` means nothing here`, at + 1, hints[character] ?? quoting)
}
