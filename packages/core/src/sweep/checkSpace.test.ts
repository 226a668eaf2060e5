import { assert, it } from "@effect/vitest"
import { makeFaultList } from "../file/FaultList.ts"
import { checkConstraints } from "./checkSpace.ts"
import { ParamMisfit, readExpression } from "./expressions.ts"
import type { Space } from "./Sweep.ts"

const spaceWith = (failure: Error): Space => {
  const constraint = readExpression("tuned.epochs > 3", ["bool"], { "tuned.epochs": "number" })
  if ("message" in constraint) throw new Error(constraint.message)
  const param = { path: "tuned.epochs", from: { kind: "choice", values: [1, 2] }, when: undefined } as const
  const fail = () => {
    throw failure
  }
  return {
    params: [param],
    bundles: [],
    constraints: [{ ...constraint, value: fail }],
    base: fail,
    alias: (path) => path
  }
}

const faultsOf = (space: Space) => {
  const faults = makeFaultList(() => ({ file: "sweep.yaml", line: 1, column: 1 }) as never, [])
  checkConstraints(space, faults)
  return faults.list.map(({ message }) => message)
}

it("a point at which an expression has no value satisfies no constraint; another error is none of the file", () => {
  assert.match(faultsOf(spaceWith(new ParamMisfit("no number")))[0]!, /^no trial satisfies .*none of 2 points/u)
  assert.throws(() => faultsOf(spaceWith(new TypeError("a mistake of ours"))), "a mistake of ours")
})
