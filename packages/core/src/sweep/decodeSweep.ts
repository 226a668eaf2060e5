import type { Fault } from "../Fault.ts"
import { PipelineFaults, sortFaults } from "../Fault.ts"
import type { PipelineReader } from "../file/Decode.ts"
import type { Path } from "../file/Document.ts"
import type { FaultList } from "../file/FaultList.ts"
import { makeFaultList } from "../file/FaultList.ts"
import { decodeBlock, vocabulary } from "../file/SchemaFaults.ts"
import { isRecord, type Json } from "../Json.ts"
import { declaredMemory } from "../MachineResources.ts"
import type { Pipeline } from "../Pipeline.ts"
import { checkMetric, checkPruning, defaultMetric } from "./checkMetrics.ts"
import { checkPath, checkValues, type Params, paramsOf } from "./checkParams.ts"
import { checkConstraints, checkGrid, checkSpace } from "./checkSpace.ts"
import { broken, resolve } from "./resolve.ts"
import { isExpression, type Space, type SpaceParam, type Sweep, type TrialParams } from "./Sweep.ts"
import { SweepBlock, sweepNotes } from "./SweepBlock.ts"
import type { SweepText } from "./SweepText.ts"

/** Trials of a search that names no number. */
const defaultTrials = 20

interface Reading {
  readonly reader: PipelineReader
  readonly pipeline: Pipeline
  readonly params: Params
  readonly text: SweepText
  readonly faults: FaultList
}

/** "1h30m" in seconds. */
const secondsOf = (duration: string | undefined): number | null => {
  if (duration === undefined) return null
  const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 }
  return [...duration.matchAll(/([\d.]+)([hms])/gu)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit!]!, 0)
}

/**
 * A sweep's block as a search over the pipeline: every path, value, expression and metric is held against what the pipeline has.
 * Returns all faults at once. The pipeline's own come first, and alone.
 * @param file as messages name it
 */
export const decodeSweep = (reader: PipelineReader, text: SweepText, file: string): Sweep | PipelineFaults => {
  const pipeline = reader.decode()
  if (pipeline instanceof PipelineFaults) return pipeline
  const faults = makeFaultList(text.place, [])
  const refuse = (list: ReadonlyArray<Fault>) =>
    new PipelineFaults({ faults: sortFaults(list, file), texts: { ...reader.texts, ...text.texts } })
  const block = decodedBlock(text.block, faults)
  if (block === undefined) return refuse(faults.list)
  const reading: Reading = { reader, pipeline, params: paramsOf(pipeline, reader.value), text, faults }
  const sweep = sweepOf(block, reading)
  return sweep === undefined || faults.list.length > 0 ? refuse(faults.list) : sweep
}

/** The block by its Schema. Keys with faults are left out, so that what the others have is told with them. */
const decodedBlock = (value: Json, faults: FaultList): SweepBlock | undefined => {
  const words = vocabulary("key", sweepNotes)
  const decoded = decodeBlock(SweepBlock, value, words)
  for (const fault of decoded.faults) {
    const missing = fault.code.startsWith("missing_")
    const path = missing ? fault.path.slice(0, -1) : fault.path
    faults.add(path, missing ? "key" : fault.at, fault.code, fault.message, fault.hint)
  }
  if (decoded.faults.length === 0 || !isRecord(value)) return decoded.value as SweepBlock | undefined
  const faulty = new Set(decoded.faults.map(({ path }) => String(path[0])))
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !faulty.has(key)))
  return decodeBlock(SweepBlock, rest, words).value as SweepBlock | undefined
}

const sweepOf = (block: SweepBlock, reading: Reading): Sweep | undefined => {
  const { faults, pipeline } = reading
  const objective = objectiveOf(block, reading)
  const space = spaceOf(block, reading)
  const search = searchOf(block)
  const start = checkedMaps("start", block.start ?? [], reading)
  if (search.method === "grid") checkGrid(space.params, faults)
  if (search.method === "list" && start.length === 0 && space.bundles.length === 0)
    faults.add(
      ["start"],
      "key",
      "space",
      "`method: list` tries what `start` and `bundles` list, and there is nothing",
      "start: [{ tuned.learning_rate: 3e-4 }], say"
    )
  if (faults.list.length === 0) checkConstraints(space, faults)
  if (faults.list.length === 0) checkStart(space, start, faults)
  const prune =
    block.prune === undefined ? null : checkPruning(block.prune, objective, pipeline, mostOf(space, start), faults)
  if (objective === undefined) return undefined
  return {
    objective,
    search,
    budget: {
      wall_seconds: secondsOf(block.budget?.wall_time),
      device_seconds: secondsOf(block.budget?.device_time)
    },
    memory: declaredMemory(block.resources) ?? pipeline.memory,
    space,
    start,
    replicates: { seeds: block.replicates?.seeds ?? 1, top: block.replicates?.only?.top ?? null },
    prune,
    failure: {
      retry: block.failure?.retry ?? 1,
      trial: block.failure?.trial ?? "continue",
      stop_after: block.failure?.stop_after ?? null
    }
  }
}

const objectiveOf = ({ objective }: SweepBlock, { faults, pipeline }: Reading): Sweep["objective"] | undefined => {
  const path = objective?.metric ?? defaultMetric(pipeline)
  if (path === undefined) {
    faults.add(
      [],
      "key",
      "metric",
      "no step of this pipeline measures anything that a sweep can go by",
      "connect `validation` of a train step, or evaluate validation rows"
    )
    return undefined
  }
  const metric = checkMetric(path, objective?.goal, ["objective", "metric"], pipeline, faults)
  return metric === undefined ? undefined : { ...metric, at: objective?.at ?? "best" }
}

const searchOf = ({ search = {} }: SweepBlock): Sweep["search"] => {
  const method = search.method ?? "tpe"
  const all = method === "grid" || method === "list"
  return {
    method,
    seed: search.seed ?? 0,
    max_trials: search.max_trials ?? (all ? null : defaultTrials),
    parallel: search.parallel ?? 1
  }
}

const spaceOf = (block: SweepBlock, reading: Reading): Space => {
  const { faults, params, pipeline } = reading
  const paths = Object.entries(block.space ?? {}).filter(([path]) =>
    checkPath(path, ["space", path], pipeline, params, faults)
  )
  const checked = checkSpace(Object.fromEntries(paths), block.constraints ?? [], params.types, params.alias, faults)
  for (const param of checked.params) checkEnds(param, reading)
  const bundles = checkedMaps("bundles", block.bundles ?? [], reading)
  bundles.forEach((bundle, at) => {
    for (const path of Object.keys(bundle)) {
      if (!Object.hasOwn(block.space ?? {}, path)) continue
      faults.add(
        ["bundles", at, path],
        "key",
        "space",
        `\`${path}\` is searched by itself too`,
        "take it out of the space, or of the bundles"
      )
    }
  })
  const isEmpty = Object.keys(block.space ?? {}).length === 0 && bundles.length === 0
  if (isEmpty && block.search?.method !== "list" && faults.list.length === 0)
    faults.add(
      ["space"],
      "key",
      "space",
      "nothing is searched: the space is empty",
      'write space: { tuned.learning_rate: { log: [1e-5, 1e-3] } }, or --set "tuned.learning_rate=log(1e-5,1e-3)"'
    )
  return { ...checked, bundles, base: params.base, alias: params.alias }
}

/** The values at which a param is searched must be ones that its step takes: each choice, or both ends. */
const checkEnds = ({ from, path }: SpaceParam, { faults, reader, text }: Reading): void => {
  if (isExpression(from)) return
  const values: ReadonlyArray<readonly [Path, Json]> =
    from.kind === "choice"
      ? from.values.map((value, at) => [["choice", at], value] as const)
      : [from.low, from.high].map((value) => [[], value] as const)
  checkValues(
    reader,
    text,
    ["space", path],
    values.map(([at, value]) => [at, { [path]: value }] as const),
    faults
  )
}

/** Maps of params that are tried as they stand. */
const checkedMaps = (
  key: "start" | "bundles",
  maps: ReadonlyArray<Readonly<Record<string, unknown>>>,
  { faults, params, pipeline, reader, text }: Reading
): ReadonlyArray<TrialParams> =>
  maps.flatMap((map, at) => {
    const paths = Object.keys(map)
    if (paths.length === 0)
      faults.add([key, at], "value", "space", "this map holds no param", "write { tuned.learning_rate: 3e-4 }, say")
    const known = paths.map((path) => checkPath(path, [key, at, path], pipeline, params, faults))
    if (paths.length === 0 || known.includes(false)) return []
    const values = map as TrialParams
    checkValues(reader, text, [key, at], [[[], values]], faults)
    return [values]
  })

/** What is tried first must be a trial that could be drawn. */
const checkStart = (space: Space, start: ReadonlyArray<TrialParams>, faults: FaultList): void => {
  start.forEach((map, at) => {
    const params = { ...resolve(space, (path) => map[path]), ...map }
    for (const constraint of broken(space, params)) {
      const { text } = space.constraints[constraint]!
      faults.add(
        ["start", at],
        "value",
        "constraints",
        `this trial does not satisfy \`${text}\``,
        "change it, or loosen the constraint"
      )
    }
  })
}

/** The most that a param may come to in any trial. */
const mostOf =
  ({ bundles, params }: Space, start: ReadonlyArray<TrialParams>) =>
  (path: string, base: Json | undefined): number => {
    const searched = params.find((param) => param.path === path)?.from
    const own =
      searched === undefined
        ? [base]
        : isExpression(searched)
          ? [Infinity]
          : searched.kind === "choice"
            ? searched.values
            : [searched.high]
    const listed = [...bundles, ...start].flatMap((map) => map[path] ?? [])
    return Math.max(...[...own, ...listed].filter((value): value is number => typeof value === "number"))
  }
