import type { RunEvent } from "@hone/core/Contract"
import { paint, printError, printJson, print } from "../Output.ts"
import { plainLines } from "./Plain.ts"
import { absorb, emptyState } from "./State.ts"
import { renderTable } from "./Table.ts"

/** Where a run is shown: a table that redraws itself on a terminal, lines in a log, or JSON events for scripts. */
export interface Screen {
  readonly show: (event: RunEvent) => void
  /** Something to know that is no event of the run. */
  readonly note: (text: string) => void
  /** The run was interrupted: say what is kept. */
  readonly interrupted: () => void
  readonly close: () => void
}

/** What an interrupted run or sweep leaves. */
export const kept =
  "interrupted: what is finished is kept, and a training goes on from its last checkpoint; run it again to go on"

const failureText = (event: Extract<RunEvent, { event: "failure" }>): string => {
  const rows =
    event.row_ids.length === 0
      ? ""
      : `\n  rows: ${event.row_ids.slice(0, 8).join(", ")}${event.row_ids.length > 8 ? `, ... (${event.row_ids.length})` : ""}`
  const place = `${event.file}:${event.line}:${event.column}`
  return `${place}: ${paint("red", `${event.step} failed`)}: ${event.message}${rows}${event.hint === "" ? "" : `\n  ${event.hint}`}`
}

const jsonScreen: Screen = { show: printJson, note: printError, interrupted: () => {}, close: () => {} }

const plainScreen = (): Screen => {
  const lines = plainLines()
  return {
    show: (event) => {
      if (event.event === "failure") printError(failureText(event))
      for (const line of lines(event, Date.now())) print(line)
    },
    note: printError,
    interrupted: () => printError(kept),
    close: () => {}
  }
}

const redrawMillis = 100

const liveScreen = async (): Promise<Screen> => {
  const { default: logUpdate } = await import("log-update")
  const state = emptyState()
  const failures: Array<string> = []
  const draw = () => logUpdate(renderTable(state, Date.now(), process.stdout.columns ?? 80))
  const timer = setInterval(draw, redrawMillis)
  return {
    show: (event) => {
      absorb(state, event, Date.now())
      if (event.event === "failure") failures.push(failureText(event))
    },
    note: (text) => failures.push(text),
    interrupted: () => failures.push(kept),
    close: () => {
      clearInterval(timer)
      draw()
      logUpdate.done()
      for (const note of state.notes) print(paint("yellow", note))
      for (const failure of failures) printError(failure)
    }
  }
}

/** A run in which nothing runs needs no redrawing: its table is printed once. */
const idleScreen = (): Screen => {
  const state = emptyState()
  return {
    show: (event) => absorb(state, event, Date.now()),
    note: printError,
    interrupted: () => {},
    close: () => print(renderTable(state, Date.now(), process.stdout.columns ?? 120))
  }
}

export const openScreen = async (json: boolean, idle: boolean): Promise<Screen> => {
  if (json) return jsonScreen
  if (idle) return idleScreen()
  return process.stdout.isTTY ? liveScreen() : plainScreen()
}
