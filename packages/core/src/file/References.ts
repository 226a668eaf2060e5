import type { OutputRef } from "../Pipeline.ts"
import type { Step } from "../Step.ts"
import type { FaultList } from "./FaultList.ts"
import { portOf } from "../plan/StageInputs.ts"
import { nearest, suggest } from "./Suggest.ts"

interface Referring {
  readonly name: string
  /** The name under `steps:`: an instance of a matrix stands where its step stands. */
  readonly written: string
  readonly definition: Step
  readonly inputs: Readonly<Record<string, string>>
}

/** Resolves `step` and `step.output`; a name alone means the step's main output. */
export const resolveInputs = (
  step: Referring,
  names: ReadonlySet<string>,
  kinds: ReadonlyMap<string, Step>,
  faults: FaultList
): Readonly<Record<string, OutputRef>> => {
  const refs: Record<string, OutputRef> = {}
  const ports = step.definition.inputs
  for (const [port, reference] of Object.entries(step.inputs)) {
    const path = ["steps", step.written, "in", portOf(port)]
    if (!Object.hasOwn(ports, portOf(port))) {
      const hint = suggest(port, Object.keys(ports))
      faults.add(path, "key", "unknown_port", `\`${step.definition.kind}\` has no input \`${port}\``, hint)
    }
    const ref = resolveReference(reference, names, kinds, (code, message, hint) =>
      faults.add(path, "value", code, message, hint)
    )
    if (ref !== undefined && Object.hasOwn(ports, portOf(port))) refs[port] = ref
  }
  const misspelt = Object.keys(step.inputs)
    .filter((key) => portOf(key) === key)
    .filter((port) => !Object.hasOwn(ports, port))
  for (const [port, { description, optional }] of Object.entries(ports)) {
    if (optional === true || Object.keys(step.inputs).some((key) => portOf(key) === port)) continue
    if (misspelt.some((name) => nearest(name, [port]) !== undefined)) continue // told already, with this one as the mend
    const at = Object.keys(step.inputs).length > 0 ? ["steps", step.written, "in"] : ["steps", step.written]
    faults.add(
      at,
      "key",
      "missing_input",
      `input \`${port}\` of \`${step.name}\` comes from nowhere`,
      `${port}: ${description}`
    )
  }
  return refs
}

/** At the last dot that leaves a step's name in front: an instance's name may hold dots itself (`tuned@lr=0.1.model`). */
const splitReference = (reference: string, names: ReadonlySet<string>): readonly [string, ReadonlyArray<string>] => {
  if (names.has(reference)) return [reference, []]
  for (let dot = reference.lastIndexOf("."); dot > 0; dot = reference.lastIndexOf(".", dot - 1)) {
    if (names.has(reference.slice(0, dot))) return [reference.slice(0, dot), [reference.slice(dot + 1)]]
  }
  const [step = "", ...rest] = reference.split(".")
  return [step, rest]
}

const resolveReference = (
  reference: string,
  names: ReadonlySet<string>,
  kinds: ReadonlyMap<string, Step>,
  refuse: (code: string, message: string, hint: string) => void
): OutputRef | undefined => {
  const [step, rest] = splitReference(reference, names)
  if (!names.has(step)) {
    refuse("unknown_step", `no step is called \`${step}\``, suggest(step, [...names]))
    return undefined
  }
  const kind = kinds.get(step)
  if (kind === undefined) return undefined // its own fault is told already
  const outputs = Object.keys(kind.outputs)
  if (rest.length === 0) {
    const output = kind.main ?? (outputs.length === 1 ? outputs[0] : undefined)
    if (output !== undefined) return { step, output }
    const hint = `write one of: ${outputs.map((name) => `${step}.${name}`).join(", ")}`
    refuse("which_output", `\`${step}\` has several outputs and none of them is the main one`, hint)
    return undefined
  }
  const output = rest.join(".")
  if (outputs.includes(output)) return { step, output }
  refuse("unknown_output", `\`${step}\` (${kind.kind}) has no output \`${output}\``, suggest(output, outputs))
  return undefined
}

/** The steps so that each follows those it reads; a cycle is a fault, printed whole. Ties keep the order of the file. */
export const inRunningOrder = <S extends Referring & { readonly refs: Readonly<Record<string, OutputRef>> }>(
  steps: ReadonlyArray<S>,
  faults: FaultList
): ReadonlyArray<S> => {
  const byName = new Map(steps.map((step) => [step.name, step]))
  const order: Array<S> = []
  const state = new Map<string, "open" | "done">()
  // Depth first with a stack of its own: a chain of ten thousand steps must not exhaust the call stack.
  for (const root of steps) {
    if (state.has(root.name)) continue
    const stack: Array<{ step: S; next: Array<string> }> = []
    const open = (step: S) => {
      state.set(step.name, "open")
      stack.push({ step, next: Object.values(step.refs).map((ref) => ref.step) })
    }
    open(root)
    while (stack.length > 0) {
      const frame = stack.at(-1)!
      const name = frame.next.shift()
      if (name === undefined) {
        state.set(frame.step.name, "done")
        order.push(frame.step)
        stack.pop()
        continue
      }
      const step = byName.get(name)
      if (step === undefined) continue
      if (state.get(name) === "open") {
        const from = stack.findIndex((entry) => entry.step.name === name)
        const circle = [
          ...stack
            .slice(from)
            .map((entry) => entry.step.name)
            .reverse(),
          stack.at(-1)!.step.name
        ]
        const port = Object.entries(frame.step.refs).find(([, ref]) => ref.step === name)?.[0] ?? ""
        const text = `the steps feed each other in a circle: ${circle.join(" -> ")}`
        faults.add(
          ["steps", frame.step.written, "in", portOf(port)],
          "value",
          "cycle",
          text,
          'an arrow reads "feeds"; cut one of these edges'
        )
      } else if (!state.has(name)) open(step)
    }
  }
  return order
}
