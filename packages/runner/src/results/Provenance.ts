import type { Pipeline } from "@hone/core/Pipeline"
import type { Plan } from "@hone/core/plan/Plan"
import { plannedOf, stepsBehind } from "./Upstream.ts"

/**
 * What stands behind a step's result, as the store's records have it: for each stage its key, and the preimage that the key was made
 * from (kind, digest of the code, params, input digests, source digests, seed, numerics), and the digests of what came out. A preimage
 * knows no path, user, host or time, and so neither does this.
 */
export const provenance = (pipeline: Pipeline, plan: Plan, step: string): string => {
  const stages = plannedOf(plan, stepsBehind(pipeline, { step, output: "" })).flatMap(({ name, stages }) =>
    stages.flatMap(({ name: stage, record }) => {
      if (record === undefined) return []
      const outputs = Object.entries(record.outputs).map(([output, { content }]) => [output, content] as const)
      return [{ step: name, stage, key: record.key, preimage: record.preimage, outputs: Object.fromEntries(outputs) }]
    })
  )
  return `${JSON.stringify({ format: "hone-provenance/1", seed: pipeline.seed, stages }, null, 2)}\n`
}
