import type { ValueType } from "../expression/Language.ts"
import type { Path } from "../file/Document.ts"
import type { FaultList } from "../file/FaultList.ts"
import { decodeBlock, vocabulary } from "../file/SchemaFaults.ts"
import { isRecord, type Json } from "../Json.ts"
import { type Domain, sizeOf, valueAt } from "./Domain.ts"
import { drawFor } from "./draw.ts"
import { ParamMisfit, readExpression, typeOfParam } from "./expressions.ts"
import { broken, resolve } from "./resolve.ts"
import { dimensionsOf, isExpression, type Space, type SpaceParam } from "./Sweep.ts"
import { DomainBlock } from "./SweepBlock.ts"

type Types = Readonly<Record<string, ValueType>>

const domainNotes = vocabulary("key", {
  choice: "a list of values",
  int: "[least, most], with `step` and `log` beside it",
  range: "[least, most], with `step` beside it",
  log: "[least, most] above 0, drawn evenly by their logarithms",
  expr: "an expression over params: the value is tied, not searched",
  when: "an expression: where it does not hold, the param is left as the pipeline has it",
  points: "how many values a grid takes"
})

const kindsOf = (value: Json): ReadonlyArray<string> =>
  isRecord(value) ? ["choice", "int", "range", "log", "expr"].filter((kind) => Object.hasOwn(value, kind)) : []

const decodeDomain = (path: string, value: Json, faults: FaultList): DomainBlock | undefined => {
  const at: Path = ["space", path]
  const kinds = kindsOf(value)
  const isLogInt = kinds.length === 2 && isRecord(value) && typeof value["log"] === "boolean"
  if (kinds.length === 0 || (kinds.length > 1 && !isLogInt)) {
    const message =
      kinds.length === 0
        ? `\`${path}\` is not told how to be searched`
        : `\`${path}\` is searched in several ways: ${kinds.join(", ")}`
    faults.add(
      at,
      "value",
      "space",
      message,
      "write one of { choice: [...] }, { int: [a, b] }, { range: [a, b] }, { log: [a, b] }, { expr: ... }"
    )
    return undefined
  }
  const decoded = decodeBlock(DomainBlock, value, domainNotes)
  for (const fault of decoded.faults.slice(0, 1))
    faults.add([...at, ...fault.path], fault.at, fault.code, fault.message, fault.hint)
  return decoded.value as DomainBlock | undefined
}

/** The domain of a searched param; a fault where its ends leave nothing, or a logarithm has none. */
const domainOf = (
  path: string,
  block: Exclude<DomainBlock, { readonly expr: string }>,
  faults: FaultList
): Domain | undefined => {
  if ("choice" in block) return { kind: "choice", values: block.choice as ReadonlyArray<Json> }
  const kind = "int" in block ? "int" : "range" in block ? "range" : "log"
  const [low, high] = "int" in block ? block.int : "range" in block ? block.range : block.log
  const isLog = "int" in block ? block.log === true : "log" in block
  const refuse = (message: string, hint: string) =>
    void faults.add(["space", path, kind], "value", "space", message, hint)
  if (low > high) refuse(`from ${low} to ${high} there is nothing`, `write [${high}, ${low}]`)
  else if (isLog && low <= 0)
    refuse(`a logarithm has no value at ${low}`, "let it begin above 0: 1e-6, say; or search it by range")
  else {
    const step = "int" in block ? (block.step ?? 1) : "range" in block ? (block.step ?? null) : null
    return { kind: "number", low, high, step, isLog, points: block.points ?? null }
  }
  return undefined
}

interface Written {
  readonly path: string
  readonly block: DomainBlock
  readonly domain: Domain | undefined
}

/** The types of params as expressions see them in trials: of a searched one, that of its values. */
const trialTypes = (types: Types, written: ReadonlyArray<Written>): Types => {
  const searched = written.map(({ block, domain, path }): readonly [string, ValueType] => {
    if ("expr" in block) return [path, types[path] === undefined || types[path] === "any" ? "number" : types[path]]
    if (domain?.kind !== "choice") return [path, "number"]
    const kinds = new Set(domain.values.map(typeOfParam))
    return [path, kinds.size === 1 ? [...kinds][0]! : "any"]
  })
  return { ...types, ...Object.fromEntries(searched) }
}

const expressionAt = (text: string, at: Path, wanted: ReadonlyArray<ValueType>, types: Types, faults: FaultList) => {
  const read = readExpression(text, wanted, types)
  if (!("message" in read)) return read
  faults.add(at, "value", "expression", read.message, read.hint)
  return undefined
}

/** The space as written, its params in an order in which each stands behind what it reads. */
export const checkSpace = (
  block: Readonly<Record<string, unknown>>,
  constraints: ReadonlyArray<string>,
  types: Types,
  alias: (path: string) => string,
  faults: FaultList
): Pick<Space, "params" | "constraints"> => {
  const written = Object.entries(block).flatMap(([path, value]): ReadonlyArray<Written> => {
    const decoded = decodeDomain(path, value as Json, faults)
    if (decoded === undefined) return []
    return [{ path, block: decoded, domain: "expr" in decoded ? undefined : domainOf(path, decoded, faults) }]
  })
  const known = trialTypes(types, written)
  const params = written.flatMap(({ block: own, domain, path }): ReadonlyArray<SpaceParam> => {
    const when =
      own.when === undefined ? undefined : expressionAt(own.when, ["space", path, "when"], ["bool"], known, faults)
    const from =
      "expr" in own
        ? expressionAt(own.expr, ["space", path, "expr"], ["number", "text", "bool"], known, faults)
        : domain
    return from === undefined ? [] : [{ path, from, when }]
  })
  return {
    params: inReadingOrder(params, alias, faults),
    constraints: constraints.flatMap(
      (text, at) => expressionAt(text, ["constraints", at], ["bool"], known, faults) ?? []
    )
  }
}

const readsOf = ({ from, when }: SpaceParam): ReadonlyArray<string> => [
  ...(when?.names ?? []),
  ...(isExpression(from) ? from.names : [])
]

/** What an expression reads stands before it; params that wait for each other are a fault at the first of them. */
const inReadingOrder = (
  params: ReadonlyArray<SpaceParam>,
  alias: (path: string) => string,
  faults: FaultList
): ReadonlyArray<SpaceParam> => {
  const byPath = new Map(params.map((param) => [param.path, param]))
  const order: Array<SpaceParam> = []
  const open: Array<string> = []
  const visit = (param: SpaceParam): void => {
    if (order.includes(param)) return
    if (open.includes(param.path)) {
      const circle = [...open.slice(open.indexOf(param.path)), param.path].join(" -> ")
      faults.add(
        ["space", open[open.indexOf(param.path)]!],
        "key",
        "cycle",
        `params wait for each other: ${circle}`,
        'an arrow reads "reads"; take one of these conditions or ties out'
      )
      return
    }
    open.push(param.path)
    for (const name of readsOf(param)) {
      const other = byPath.get(name) ?? byPath.get(alias(name))
      if (other !== undefined) visit(other)
    }
    open.pop()
    if (!order.includes(param)) order.push(param)
  }
  for (const param of params) visit(param)
  return order
}

const tries = 4096
/** Points of a space that are looked at one by one, where it has no more. */
const mostPoints = 20_000

/** Points of the space: all of them where they are few, else its corners and some drawn ones. */
const pointsOf = (space: Space): ReadonlyArray<(path: string) => Json | undefined> => {
  const dimensions = dimensionsOf(space)
  const size = dimensions.reduce((product, { domain }) => product * sizeOf(domain), 1)
  const at = (share: (dimension: number, size: number) => number) => {
    const values = new Map(dimensions.map(({ domain, path }, i) => [path, valueAt(domain, share(i, sizeOf(domain)))]))
    return (path: string) => values.get(path)
  }
  if (size <= mostPoints) {
    return Array.from({ length: size }, (_, n) => {
      let rest = n
      return at((_, own) => {
        const digit = rest % own
        rest = Math.floor(rest / own)
        return (digit + 0.5) / own
      })
    })
  }
  const draw = drawFor(0, "constraints")
  const corners = Math.min(1024, 2 ** dimensions.length)
  return [
    ...Array.from({ length: corners }, (_, n) => at((i) => ((n >> i) & 1) * (1 - 1e-9))),
    ...Array.from({ length: tries }, () => at(() => draw()))
  ]
}

/** Constraints that no trial can satisfy: told with the one that the fewest trials do, and at its place. */
export const checkConstraints = (space: Space, faults: FaultList): void => {
  if (space.constraints.length === 0) return
  const points = pointsOf(space)
  const met = space.constraints.map(() => 0)
  for (const point of points) {
    let fails: ReadonlyArray<number>
    try {
      fails = broken(space, resolve(space, point))
    } catch (error) {
      if (!(error instanceof ParamMisfit)) throw error
      continue // an expression has no value here
    }
    if (fails.length === 0) return
    met.forEach((_, at) => void (fails.includes(at) || (met[at]! += 1)))
  }
  const least = Math.min(...met)
  const at = met.indexOf(least)
  const text = space.constraints[at]!.text
  const message =
    space.constraints.length === 1
      ? `no trial satisfies \`${text}\`: none of ${points.length} points of the space does`
      : `no trial satisfies all constraints; the tightest is \`${text}\`: ${least} of ${points.length} points of the space do`
  faults.add(["constraints", at], "value", "constraints", message, "loosen it, or widen the ranges of what it reads")
}

/** Searched params of which a grid does not know which values to take. */
export const checkGrid = (params: ReadonlyArray<SpaceParam>, faults: FaultList): void => {
  for (const { from, path } of params) {
    if (isExpression(from) || from.kind === "choice" || sizeOf(from) !== Infinity || from.points !== null) continue
    const message = `a grid does not know which values of \`${path}\` to take`
    faults.add(["space", path], "value", "grid", message, "write points: 5 beside it, or search by another method")
  }
}
