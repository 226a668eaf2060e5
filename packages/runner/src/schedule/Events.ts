import type { RunEvent } from "@hone/core/Contract"

const tailLines = 40

/** Where a run speaks: events go to whoever shows them, and the last lines of each stage are kept for its record. */
export interface RunListener {
  readonly emit: (event: RunEvent) => void
  readonly tailOf: (at: { readonly step: string; readonly stage: string }) => ReadonlyArray<string>
}

export const makeListener = (show: (event: RunEvent) => void): RunListener => {
  const tails = new Map<string, Array<string>>()
  return {
    emit: (event) => {
      if (event.event === "log") {
        const id = `${event.step}/${event.stage}`
        const tail = tails.get(id) ?? []
        tail.push(event.line)
        if (tail.length > tailLines) tail.shift()
        tails.set(id, tail)
      }
      show(event)
    },
    tailOf: ({ stage, step }) => tails.get(`${step}/${stage}`) ?? []
  }
}
