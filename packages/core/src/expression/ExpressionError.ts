/** A fault of an expression. `column` counts its characters from 1. */
export class ExpressionError extends Error {
  readonly column: number
  readonly hint: string

  constructor(message: string, column: number, hint: string) {
    super(message)
    this.column = column
    this.hint = hint
  }
}

/** Characters of an expression that a message shows. */
const widest = 120

/** The fault with the expression under it, or what is around the place of a long one, and the place marked; as one message. */
export const placed = (expression: string, { column, message }: ExpressionError): string => {
  const start = Math.max(0, Math.min(column - 1 - widest / 2, expression.length - widest))
  const end = start + widest
  const before = start > 0 ? "..." : ""
  // One line, whatever line ends stand in it: the mark is below it.
  const shown = `${before}${expression.slice(start, end).replaceAll(/\s/gu, " ")}${end < expression.length ? "..." : ""}`
  return `${message}, at character ${column} of\n  ${shown}\n  ${" ".repeat(before.length + column - 1 - start)}^`
}
