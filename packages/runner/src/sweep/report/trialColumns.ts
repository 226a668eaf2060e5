import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import type { TableColumn } from "@hone/steps/tables/columns"

type Trials = ReadonlyArray<SweepTrial>

const number = (name: string, trials: Trials, of: (trial: SweepTrial) => number | null | undefined): TableColumn => ({
  name,
  type: "number",
  nullable: true,
  values: trials.map((trial) => of(trial) ?? null)
})

const text = (name: string, trials: Trials, of: (trial: SweepTrial) => string | null | undefined): TableColumn => ({
  name,
  type: "text",
  nullable: true,
  values: trials.map((trial) => of(trial) ?? null)
})

/** Numbers where all values are, else text: JSON of what is neither text nor a number. */
const paramColumn = (path: string, trials: Trials): TableColumn => {
  const values = trials.map(({ params }) => params[path])
  return values.every((value) => value === undefined || typeof value === "number")
    ? number(path, trials, ({ params }) => params[path] as number | undefined)
    : text(path, trials, ({ params }) => {
        const value = params[path]
        return typeof value === "string" ? value : JSON.stringify(value)
      })
}

const sortedNumbers = (values: ReadonlyArray<number>): ReadonlyArray<number> =>
  [...new Set(values)].sort((a, b) => a - b)

/**
 * A row a trial, in the order of the ranked table: who it is, every param by its path, the objective with its replicates, the values
 * at the rungs, what it cost and what failed.
 */
export const trialColumns = ({ params, trials }: Pick<SweepJson, "params" | "trials">): ReadonlyArray<TableColumn> => {
  const replicates = sortedNumbers(trials.flatMap(({ replicates }) => replicates.map(({ replicate }) => replicate)))
  const rungs = sortedNumbers(trials.flatMap(({ rungs }) => rungs.map(({ resource }) => resource)))
  return [
    { name: "trial", type: "integer", nullable: false, values: trials.map(({ number }) => number) },
    text("id", trials, ({ id }) => id),
    number("rank", trials, ({ rank }) => rank),
    text("state", trials, ({ state }) => state),
    text("by", trials, ({ by }) => by),
    ...params.map(({ path }) => paramColumn(path, trials)),
    number("objective", trials, ({ objective }) => objective),
    number("sd", trials, ({ sd }) => sd),
    ...(replicates.length < 2
      ? []
      : replicates.map((at) =>
          number(
            `objective_${at}`,
            trials,
            (trial) => trial.replicates.find(({ replicate }) => replicate === at)?.objective
          )
        )),
    ...rungs.map((at) =>
      number(`rung_${at}`, trials, (trial) => trial.rungs.find(({ resource }) => resource === at)?.value)
    ),
    text("started_at", trials, ({ spans }) => spans.map(({ started_at }) => started_at).sort()[0]),
    number("seconds", trials, ({ seconds }) => seconds),
    text("error", trials, ({ error }) => (error === null ? null : `${error.step}: ${error.message}`))
  ]
}
