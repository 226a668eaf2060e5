import { Schema } from "effect"

const units: Readonly<Record<string, number>> = { MB: 1e6, MiB: 2 ** 20, GB: 1e9, GiB: 2 ** 30 }
const amount = /^(?=[\d.]*[1-9])(\d+(?:\.\d+)?) ?(MB|MiB|GB|GiB)$/u

export const resourcesNote = "what stages that run side by side may take together: { memory: 6GB }"

/** What a file says of the machine that its stages share. It changes no result, and stands in no key. */
export const MachineResources = Schema.Struct({
  memory: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(amount, { expected: "an amount of memory as 6GB, 1.5GiB or 800MB" })).annotate(
      {
        description:
          "what stages that run side by side may take together, as predicted: 6GB, 800MiB. Default: what the machine or the container has left when the run begins"
      }
    )
  )
})
export type MachineResources = typeof MachineResources.Type

/** Bytes of the declared memory; null where none is. */
export const declaredMemory = (resources: MachineResources | undefined): number | null => {
  const [, n, unit] = amount.exec(resources?.memory ?? "") ?? []
  return n === undefined ? null : Number(n) * units[unit!]!
}
