/**
 * The engines' code that a tensor stage may run, by numerics class: it is loaded dynamically, so that the digest of the stage's
 * own module leaves it out. `session` and `capi` give the same numbers and share results, so both count.
 */
export const engineParts = (_params: unknown, _facts: unknown, numericsClass: string): ReadonlyArray<string> =>
  numericsClass.startsWith("tensorflow")
    ? ["nn/engines/capi", "nn/engines/session"]
    : ["nn/engines/interpreter/interpreter"]
