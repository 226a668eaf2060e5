import type { Fault } from "./Fault.ts"
import { suggest } from "./file/Suggest.ts"
import type { Pipeline, PipelineStep, PipelineTypes } from "./Pipeline.ts"
import { portOf } from "./plan/StageInputs.ts"
import type { InputPort, PortType } from "./Port.ts"
import { describePort } from "./Port.ts"
import { shownVeil, withoutValue } from "./Secrets.ts"
import type { SourceHead } from "./Step.ts"

/** What reading the heads of a step's sources told: step name -> source name -> head. */
export type Heads = Readonly<Record<string, Readonly<Record<string, SourceHead>>>>

/**
 * Types every edge down to its columns, in running order, before anything runs. A step whose inputs have faults is typed by
 * its declared outputs alone, so that one mistake does not echo through the file.
 */
export const checkTypes = (
  pipeline: Pipeline,
  heads: Heads,
  /** Steps whose sources could not be read: what they would give is not known, and their own checks are left out. */
  unread: ReadonlySet<string> = new Set()
): { readonly types: PipelineTypes; readonly faults: ReadonlyArray<Fault> } => {
  const types: Record<string, Readonly<Record<string, PortType>>> = {}
  const faults: Array<Fault> = []
  // Steps that are not typed: what they would give is not known, and edges from them tell nothing.
  const untyped = new Set<string>(unread)
  for (const step of pipeline.steps) {
    const before = faults.length
    const inputs: Record<string, PortType> = {}
    for (const [key, ref] of Object.entries(step.inputs)) {
      const port = portOf(key)
      const type = types[ref.step]?.[ref.output]
      if (type === undefined) {
        untyped.add(step.name)
        continue
      }
      if (untyped.has(ref.step) && ref.step !== step.name) {
        inputs[port] = { kind: type.kind }
        untyped.add(step.name)
        checkEdge(pipeline, step, port, { kind: type.kind }, faults)
        continue
      }
      inputs[port] = type
      checkEdge(pipeline, step, port, type, faults)
    }
    const own =
      faults.length === before && !untyped.has(step.name)
        ? step.definition.types({ params: step.params, inputs, heads: heads[step.name] ?? {} })
        : undefined
    for (const fault of own?.faults ?? []) {
      const place = pipeline.place(["steps", step.written, ...fault.path], "value")
      const clean = (text: string) => pipeline.conceal(withoutHidden(step, text))
      faults.push({ ...place, code: "type", message: clean(fault.message), hint: clean(fault.hint) })
    }
    if (faults.length > before) untyped.add(step.name)
    const declared = Object.entries(step.definition.outputs).map(([name, port]) => [name, { kind: port.kind }] as const)
    types[step.name] = { ...Object.fromEntries(declared), ...own?.outputs }
  }
  return { types, faults }
}

/** What a step says of its own params, without the values that the environment gave. */
const withoutHidden = ({ hidden, params }: PipelineStep, text: string): string =>
  Object.entries(hidden).reduce((rest, [name, veil]) => withoutValue(rest, params[name], shownVeil(veil)), text)

const checkEdge = (
  pipeline: Pipeline,
  step: PipelineStep,
  port: string,
  type: PortType,
  faults: Array<Fault>
): void => {
  const wanted = step.definition.inputs[port] as InputPort
  // Finding a place walks the document: only a fault is worth it.
  const place = () => pipeline.place(["steps", step.written, "in", port], "value")
  if (!wanted.accepts.includes(type.kind)) {
    const message = `\`${step.name}\` takes ${wanted.accepts.join(" or ")} as \`${port}\`, and this gives ${describePort(type)}`
    faults.push({ ...place(), code: "port_kind", message, hint: `${port}: ${wanted.description}` })
    return
  }
  if (type.columns === undefined) return
  for (const [name, column] of Object.entries(wanted.columns ?? {})) {
    const found = type.columns[name]
    if (found === undefined) {
      const message = `\`${step.name}\` needs a column \`${name}\` (${column.why}), and this gives ${describePort(type)}`
      faults.push({ ...place(), code: "missing_column", message, hint: suggest(name, Object.keys(type.columns)) })
    } else if (!column.type.includes(found.type)) {
      const message = `\`${step.name}\` needs column \`${name}\` as ${column.type.join(" or ")}, and here it is ${found.type}`
      faults.push({ ...place(), code: "column_type", message, hint: column.why })
    }
  }
}
