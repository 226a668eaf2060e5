import { suggest } from "@hone/core/file/Suggest"
import { paramInfos } from "@hone/core/Params"
import type { Step } from "@hone/core/Step"
import { registry } from "@hone/steps"
import { Effect, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { paint, print, printError, printJson, table } from "../Output.ts"

type JsonSchema = {
  readonly type?: string | ReadonlyArray<string>
  readonly enum?: ReadonlyArray<unknown>
  readonly const?: unknown
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly allOf?: ReadonlyArray<JsonSchema>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly additionalProperties?: unknown
}

const bounds = (schema: JsonSchema): string => {
  const all = Object.assign({}, schema, ...(schema.allOf ?? [])) as JsonSchema
  const low =
    all.exclusiveMinimum !== undefined
      ? `> ${all.exclusiveMinimum}`
      : all.minimum !== undefined && all.minimum > -9e15
        ? `>= ${all.minimum}`
        : ""
  const high =
    all.exclusiveMaximum !== undefined
      ? `< ${all.exclusiveMaximum}`
      : all.maximum !== undefined && all.maximum < 9e15
        ? `<= ${all.maximum}`
        : ""
  return [low, high].filter((text) => text !== "").join(", ")
}

/** A param's type as a person would write it: `head | full | { partial: { last_blocks: integer >= 1 } }`. */
export const typeText = (schema: JsonSchema): string => {
  if (schema.const !== undefined) return String(schema.const)
  if (schema.enum !== undefined) return schema.enum.join(" | ")
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(" | ")
  if (schema.properties !== undefined) {
    return `{ ${Object.entries(schema.properties)
      .map(([name, inner]) => `${name}: ${typeText(inner)}`)
      .join(", ")} }`
  }
  if (schema.items !== undefined) return `[${typeText(schema.items)}]`
  const range = bounds(schema)
  return `${schema.type === "object" ? "map" : String(schema.type ?? "any")}${range === "" ? "" : ` ${range}`}`
}

const describe = (step: Step) => {
  const { schema } = Schema.toJsonSchemaDocument(step.params) as unknown as { schema: JsonSchema }
  return {
    kind: step.kind,
    summary: step.summary,
    inputs: step.inputs,
    outputs: step.outputs,
    main: step.main ?? null,
    stages: step.stages.map(({ name }) => name),
    params: paramInfos(step.params).map((info) => ({ ...info, type: typeText(schema.properties?.[info.name] ?? {}) }))
  }
}

const render = (step: Step): string => {
  const { inputs, main, outputs, params } = describe(step)
  const ports = Object.entries(inputs).map(([name, port]) => [
    `  ${name}`,
    port.accepts.join(" | "),
    `${port.optional === true ? "optional: " : ""}${port.description}`
  ])
  const made = Object.entries(outputs).map(([name, port]) => [
    `  ${name}`,
    port.kind,
    `${name === main ? "main: " : ""}${port.description}`
  ])
  const rows = params.map((param) => [
    `  ${param.name}`,
    param.type,
    "default" in param ? `default ${JSON.stringify(param.default)}` : param.optional === true ? "optional" : "required",
    `${param.description}${param.source === undefined ? "" : paint("dim", ` (${param.source})`)}${param.role === "operational" ? paint("dim", " [not in the cache key]") : ""}`
  ])
  const part = (title: string, lines: ReadonlyArray<ReadonlyArray<string>>) =>
    lines.length === 0 ? [] : [`\n${title}`, table(lines)]
  return [
    `${paint("bold", step.kind)}: ${step.summary}`,
    ...part("inputs", ports),
    ...part("outputs", made),
    ...part("params", rows)
  ].join("\n")
}

export const stepsVerb = Command.make(
  "steps",
  {
    kind: Argument.String("kind").pipe(Argument.withDescription("one kind, with its params"), Argument.optional),
    json: Flags.json
  },
  Effect.fn("hone steps")(function* ({ json, kind }) {
    if (kind._tag === "None") {
      if (json) return printJson({ steps: Object.values(registry).map(describe) })
      return print(table(Object.values(registry).map((step) => [paint("bold", step.kind), step.summary])))
    }
    const step = registry[kind.value]
    if (step === undefined) {
      printError(`no step kind \`${kind.value}\`\n  ${suggest(kind.value, Object.keys(registry))}`)
      return yield* new Exit({ code: 2 })
    }
    if (json) printJson(describe(step))
    else print(render(step))
  })
).pipe(Command.withDescription("List the kinds of steps, or one kind with its ports and params"))
