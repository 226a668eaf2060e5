import { Schema } from "effect"
import { isRecord, type Json, type JsonObject } from "../Json.ts"
import type { Registry } from "../Pipeline.ts"
import type { Step } from "../Step.ts"
import { DomainBlock, SweepBlock, sweepNotes } from "../sweep/SweepBlock.ts"
import { Envelope, envelopeNotes, stepNotes } from "./Envelope.ts"

/** A `${...}` may stand for any param: what it brings is checked when the file is planned. */
const reference: JsonObject = { type: "string", pattern: "^\\$\\{[^{}]+\\}$" }

const draft = (schema: Schema.Top): JsonObject => {
  const { definitions, schema: body } = Schema.toJsonSchemaDocument(schema, {
    onExcessProperty: "error"
  }) as unknown as {
    definitions: JsonObject
    schema: JsonObject
  }
  return { ...body, ...(Object.keys(definitions).length > 0 ? { $defs: definitions } : {}) }
}

/** Every property also takes a reference, however deep it lies. */
const withReferences = (schema: Json): Json => {
  if (!isRecord(schema)) return schema
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (key === "properties" && isRecord(value)) {
        return [key, Object.fromEntries(Object.entries(value).map(([name, property]) => [name, orReference(property)]))]
      }
      if (key === "anyOf" && Array.isArray(value)) return [key, value.map((item: Json) => withReferences(item))]
      if (key === "items" || key === "additionalProperties") return [key, isRecord(value) ? orReference(value) : value]
      return [key, value]
    })
  )
  return inner
}

const orReference = (property: Json): Json => {
  if (!isRecord(property)) return property
  const {
    default: fallback,
    description,
    ...rest
  } = withReferences(property) as JsonObject & { default?: Json; description?: Json }
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, reference]
  }
}

const ports = (step: Step): JsonObject => ({
  type: "object",
  description: stepNotes.in,
  properties: Object.fromEntries(
    Object.entries(step.inputs).map(([name, port]) => [name, { type: "string", description: port.description }])
  ),
  required: Object.entries(step.inputs).flatMap(([name, port]) => (port.optional === true ? [] : [name])),
  additionalProperties: false
})

const kind = (step: Step): JsonObject => {
  const params = withReferences(draft(step.params as unknown as Schema.Top)) as JsonObject
  const required = Array.isArray(params["required"]) && params["required"].length > 0 ? ["with"] : []
  const needed = Object.values(step.inputs).some((port) => port.optional !== true) ? ["in"] : []
  return {
    if: { properties: { uses: { const: step.kind } } },
    then: {
      properties: { with: { ...params, description: step.summary }, in: ports(step) },
      required: [...needed, ...required]
    }
  }
}

/** A sweep's block: what its space may say of a param has a Schema of its own. */
const sweep = (): JsonObject => {
  const { properties, ...block } = draft(SweepBlock) as JsonObject & { readonly properties: JsonObject }
  return {
    ...block,
    description: envelopeNotes.sweep,
    properties: {
      ...properties,
      space: { type: "object", description: sweepNotes.space, additionalProperties: { $ref: "#/$defs/domain" } }
    }
  }
}

/**
 * The JSON Schema (draft 2020-12) of a pipeline file, or of a sweep in a file of its own (which names a pipeline), made from the
 * registry: for completion and marks in an editor.
 */
export const pipelineJsonSchema = (registry: Registry): JsonObject => {
  const envelope = draft(Envelope)
  const step: JsonObject = {
    type: "object",
    properties: {
      uses: {
        description: stepNotes.uses,
        oneOf: Object.values(registry).map(({ kind, summary }) => ({ const: kind, description: summary }))
      },
      in: { type: "object" },
      with: { type: "object" },
      matrix: { description: stepNotes.matrix, type: ["object", "array"] }
    },
    required: ["uses"],
    additionalProperties: false,
    allOf: Object.values(registry).map(kind)
  }
  const properties = { ...(envelope["properties"] as JsonObject) }
  properties["steps" as keyof typeof properties] = {
    type: "object",
    propertyNames: { pattern: "^[A-Za-z][A-Za-z0-9_-]*$" },
    additionalProperties: { $ref: "#/$defs/step" }
  } as never
  properties["sweep" as keyof typeof properties] = { $ref: "#/$defs/sweep" } as never
  const { $defs, ...pipeline } = envelope
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A Hone pipeline, or a sweep over one",
    if: { type: "object", required: ["pipeline"] },
    then: { $ref: "#/$defs/sweep" },
    else: { ...pipeline, properties },
    $defs: { ...($defs as JsonObject | undefined), step, sweep: sweep(), domain: draft(DomainBlock) }
  }
}
