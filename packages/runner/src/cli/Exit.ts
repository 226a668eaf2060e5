import { Runtime, Schema } from "effect"

/** What the shell is told: 1 a step failed, 2 usage or faults of the file, 3 a verdict that failed. Everything is printed already. */
export class Exit extends Schema.TaggedError<Exit>()("Exit", { code: Schema.Literals([1, 2, 3]) }) {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}
