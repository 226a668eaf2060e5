import { isRecord, type Json, type JsonObject } from "../Json.ts"
import type { Path } from "./Document.ts"

/** One choice of values for the axes of a matrix, in the order in which they were declared. */
type Binding = Readonly<Record<string, Json>>

/** A step as written, or one of its instances. */
export interface Instance {
  readonly name: string
  readonly written: string
  readonly matrix: JsonObject
  /** Where inputs come from, by port (`port@binding` where gathered): `step` or `step.output`, of instances. */
  readonly inputs: Readonly<Record<string, string>>
}

export interface MatrixFault {
  readonly path: Path
  readonly message: string
  readonly hint: string
}

const show = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value))

/** "lr=0.0001,seed=1" */
const labelOf = (binding: Binding): string =>
  Object.entries(binding)
    .map(([axis, value]) => `${axis}=${show(value)}`)
    .join(",")

const product = (axes: JsonObject): ReadonlyArray<Binding> =>
  Object.entries(axes).reduce<ReadonlyArray<Binding>>(
    (bindings, [axis, values]) =>
      bindings.flatMap((binding) => (values as ReadonlyArray<Json>).map((value) => ({ ...binding, [axis]: value }))),
    [{}]
  )

const axisName = /^[A-Za-z_][A-Za-z0-9_]*$/u

/** `matrix: { lr: [1e-4, 2e-4] }` is every combination; a list of maps is just the combinations that it lists. */
const ownBindings = (step: string, matrix: Json | undefined, faults: Array<MatrixFault>): ReadonlyArray<Binding> => {
  if (matrix === undefined) return [{}]
  const path: Path = ["steps", step, "matrix"]
  const refuse = (at: Path, message: string, hint: string) => faults.push({ path: at, message, hint })
  if (Array.isArray(matrix)) {
    const maps = matrix.filter((item: Json) => isRecord(item) && Object.keys(item).length > 0) as Array<JsonObject>
    if (maps.length < matrix.length || maps.length === 0)
      refuse(path, "each combination is a map of axes", "matrix: [{ lr: 1e-4, seed: 1 }, { lr: 2e-4, seed: 2 }]")
    return maps.length > 0 ? maps : [{}]
  }
  if (!isRecord(matrix) || Object.keys(matrix).length === 0) {
    refuse(path, "a matrix is a map from an axis to its values", "matrix: { lr: [1e-4, 2e-4] }")
    return [{}]
  }
  for (const [axis, values] of Object.entries(matrix)) {
    if (!axisName.test(axis)) refuse([...path, axis], `\`${axis}\` cannot name an axis`, "use letters, digits and _")
    if (!Array.isArray(values) || values.length === 0)
      refuse([...path, axis], `axis \`${axis}\` needs a list of values`, `${axis}: [1, 2]`)
  }
  return faults.some((fault) => fault.path[1] === step) ? [{}] : product(matrix)
}

const agree = (a: Binding, b: Binding) =>
  Object.entries(a).every(
    ([axis, value]) => !Object.hasOwn(b, axis) || JSON.stringify(b[axis]) === JSON.stringify(value)
  )

/** Natural join: axes that both have must agree, others combine. */
const join = (left: ReadonlyArray<Binding>, right: ReadonlyArray<Binding>): ReadonlyArray<Binding> => {
  const joined = left.flatMap((a) => right.filter((b) => agree(a, b)).map((b) => ({ ...a, ...b })))
  const seen = new Set<string>()
  return joined.filter((binding) => {
    const id = labelOf(Object.fromEntries(Object.entries(binding).sort(([a], [b]) => (a < b ? -1 : 1))))
    return seen.has(id) ? false : (seen.add(id), true)
  })
}

interface Written {
  readonly name: string
  readonly value: Json
}

const stepOf = (reference: string, known: ReadonlyMap<string, unknown>): string | undefined => {
  const name = reference.split(".", 1)[0]!
  return known.has(name) ? name : undefined
}

/**
 * Expands steps with a `matrix` into instances, and the steps that consume them along the same axes; a port that gathers takes all
 * instances instead. Without any matrix each step is its own only instance.
 */
export const expandMatrix = (
  steps: ReadonlyArray<Written>,
  gathers: (uses: string, port: string) => boolean
): { readonly instances: ReadonlyArray<Instance>; readonly faults: ReadonlyArray<MatrixFault> } => {
  const faults: Array<MatrixFault> = []
  const blocks = new Map(steps.map((step) => [step.name, isRecord(step.value) ? step.value : {}]))
  const inputsOf = (name: string): ReadonlyArray<readonly [string, string]> => {
    const block = blocks.get(name)?.["in"]
    return isRecord(block)
      ? Object.entries(block).filter((entry): entry is [string, string] => typeof entry[1] === "string")
      : []
  }
  if (steps.every(({ name }) => !Object.hasOwn(blocks.get(name)!, "matrix"))) {
    return {
      instances: steps.map(({ name }) => ({
        name,
        written: name,
        matrix: {},
        inputs: Object.fromEntries(inputsOf(name))
      })),
      faults
    }
  }

  const isGathered = (name: string, port: string) => gathers(String(blocks.get(name)?.["uses"] ?? ""), port)
  const bindings = new Map<string, ReadonlyArray<Binding>>()
  const open = new Set<string>()
  const bindingsOf = (name: string): ReadonlyArray<Binding> => {
    const known = bindings.get(name)
    if (known !== undefined || open.has(name)) return known ?? [{}] // a cycle is told elsewhere
    open.add(name)
    let mine = ownBindings(name, blocks.get(name)?.["matrix"], faults)
    for (const [port, reference] of inputsOf(name)) {
      const upstream = stepOf(reference, blocks)
      if (upstream === undefined || isGathered(name, port)) continue
      const joined = join(mine, bindingsOf(upstream))
      if (joined.length === 0) {
        const message = `no combination is left: \`${upstream}\` shares an axis with other inputs of \`${name}\`, and no value`
        faults.push({
          path: ["steps", name, "in", port],
          message,
          hint: "give the axes the same values, or other names"
        })
      } else mine = joined
    }
    open.delete(name)
    bindings.set(name, mine)
    return mine
  }

  const instanceName = (name: string, binding: Binding) =>
    Object.keys(binding).length === 0 ? name : `${name}@${labelOf(binding)}`
  const instances = steps.flatMap(({ name }) =>
    bindingsOf(name).map((binding): Instance => {
      const inputs: Record<string, string> = {}
      for (const [port, reference] of inputsOf(name)) {
        const upstream = stepOf(reference, blocks)
        if (upstream === undefined) {
          inputs[port] = reference
          continue
        }
        const rest = reference.slice(upstream.length)
        const matching = bindingsOf(upstream).filter((candidate) => agree(candidate, binding))
        if (isGathered(name, port)) {
          for (const one of matching)
            inputs[Object.keys(one).length === 0 ? port : `${port}@${labelOf(one)}`] =
              instanceName(upstream, one) + rest
        } else if (matching[0] !== undefined) inputs[port] = instanceName(upstream, matching[0]) + rest
      }
      return { name: instanceName(name, binding), written: name, matrix: binding, inputs }
    })
  )
  return { instances, faults }
}
