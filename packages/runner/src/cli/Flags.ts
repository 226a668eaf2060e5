import { Argument, Flag } from "effect/cli"

/** What most verbs take: the pipeline file, `--set`, `--json`. */
export const file = Argument.String("file").pipe(
  Argument.withDescription("the pipeline file, for example pipelines/sentiment.yaml")
)

export const step = Argument.String("step").pipe(Argument.withDescription("the name of a step in it"))

export const set = Flag.String("set").pipe(
  Flag.withDescription("change a value for this call: params.NAME=VALUE, STEP.PARAM=VALUE or seed=N; may be repeated"),
  Flag.atLeast(0)
)

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("print JSON for scripts instead of text"),
  Flag.withDefault(false)
)
