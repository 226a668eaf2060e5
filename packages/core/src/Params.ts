import { Effect, Schema } from "effect"
import type { SchemaAST } from "effect"
import type { Json } from "./Json.ts"

/** `semantic` params change results and are part of the key; `operational` ones (log interval, timeout, workers) are not. */
export type ParamRole = "semantic" | "operational"

export interface ParamNotes {
  /** What it is, with unit and range: shown by `hone steps KIND` and in editors. */
  readonly description: string
  /** The value taken where the file names none. Absent: the param is required, or optional if `optional` is set. */
  readonly default?: unknown
  /** May be left out, and then is absent. */
  readonly optional?: boolean
  /** Where the default comes from: a paper, a reference implementation. */
  readonly source?: string
}

export interface ParamInfo extends ParamNotes {
  readonly name: string
  readonly role: ParamRole
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Augment {
      /** Set by `semantic` and `operational`. */
      readonly honeParam?: Omit<ParamInfo, "name"> | undefined
    }
  }
}

type Field = Schema.Codec<any, any>

type Noted<S extends Field, N extends ParamNotes> = N extends { readonly optional: true }
  ? Schema.optionalKey<S>
  : N extends { readonly default: S["Encoded"] }
    ? Schema.Codec<S["Type"], S["Encoded"]>
    : S

const param =
  (role: ParamRole) =>
  <S extends Field, const N extends ParamNotes>(schema: S, notes: N): Noted<S, N> => {
    const honeParam = { role, ...notes }
    const noted = schema.annotate({
      description: notes.description,
      ...("default" in notes ? { default: notes.default } : {}),
      honeParam
    } as never) as S
    if ("default" in notes) {
      return noted.pipe(Schema.withDecodingDefaultKey(Effect.succeed(notes.default) as never)) as never
    }
    return (notes.optional === true ? Schema.optionalKey(noted) : noted) as never
  }

/** A param that changes results. */
export const semantic = param("semantic")

/** A param that changes no byte of any result: it never enters a key. */
export const operational = param("operational")

/** The Schema of a step's `with` block: a struct whose fields were made by `semantic` and `operational`. */
export type ParamsSchema = Schema.Codec<any, any> & { readonly fields: Record<string, Schema.Top> }

const notesOf = (ast: SchemaAST.AST): Omit<ParamInfo, "name"> | undefined => {
  const seen = new Set<SchemaAST.AST>()
  const visit = (node: SchemaAST.AST): Omit<ParamInfo, "name"> | undefined => {
    if (seen.has(node)) return undefined
    seen.add(node)
    const own = (node.annotations ?? node.checks?.at(-1)?.annotations) as
      | { honeParam?: Omit<ParamInfo, "name"> }
      | undefined
    if (own?.honeParam !== undefined) return own.honeParam
    for (const check of node.checks ?? []) {
      const noted = (check.annotations as { honeParam?: Omit<ParamInfo, "name"> } | undefined)?.honeParam
      if (noted !== undefined) return noted
    }
    return undefined
  }
  return visit(ast)
}

const known = new WeakMap<ParamsSchema, ReadonlyArray<ParamInfo>>()

/** Every param of a step with its notes, in the order of the Schema. Throws on a field made without `semantic` or `operational`. */
export const paramInfos = (schema: ParamsSchema): ReadonlyArray<ParamInfo> => {
  const found = known.get(schema) ?? readInfos(schema)
  known.set(schema, found)
  return found
}

const readInfos = (schema: ParamsSchema): ReadonlyArray<ParamInfo> =>
  Object.entries(schema.fields).map(([name, field]) => {
    const notes = notesOf(field.ast)
    if (notes === undefined) throw new Error(`param "${name}" is neither semantic nor operational`)
    return { name, ...notes }
  })

/** The semantic half of decoded params: what enters a key. */
export const semanticParams = (
  schema: ParamsSchema,
  params: Readonly<Record<string, unknown>>
): Record<string, Json> => {
  const kept: Record<string, Json> = {}
  for (const { name, role } of paramInfos(schema)) {
    const value = params[name]
    if (role === "semantic" && value !== undefined) kept[name] = value as Json
  }
  return kept
}
