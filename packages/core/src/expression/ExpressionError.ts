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

/** The fault with the expression under it and the place marked, as one message. */
export const placed = (expression: string, { column, message }: ExpressionError): string =>
  `${message}, at character ${column} of\n  ${expression}\n  ${" ".repeat(column - 1)}^`
