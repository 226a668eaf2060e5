import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { Exit } from "./cli/Exit.ts"
import { endAllNow } from "./worker/Workers.ts"
import { doctorVerb } from "./cli/verbs/doctor.ts"
import { explainVerb } from "./cli/verbs/explain.ts"
import { exportVerb } from "./cli/verbs/export.ts"
import { gcVerb } from "./cli/verbs/gc.ts"
import { graphVerb } from "./cli/verbs/graph.ts"
import { ingestVerb } from "./cli/verbs/ingest.ts"
import { pinVerb, unpinVerb } from "./cli/verbs/pin.ts"
import { planVerb } from "./cli/verbs/plan.ts"
import { predictVerb } from "./cli/verbs/predict.ts"
import { previewVerb } from "./cli/verbs/preview.ts"
import { rerunVerb } from "./cli/verbs/rerun.ts"
import { runVerb } from "./cli/verbs/run.ts"
import { runsVerb } from "./cli/verbs/runs.ts"
import { schemaVerb } from "./cli/verbs/schema.ts"
import { showVerb } from "./cli/verbs/show.ts"
import { stepsVerb } from "./cli/verbs/steps.ts"
import { sweepVerb } from "./cli/verbs/sweep.ts"
import { verifyVerb } from "./cli/verbs/verify.ts"

const hone = Command.make("hone").pipe(
  Command.withDescription("Fine-tune pre-trained models by YAML pipelines of typed, cached steps"),
  Command.withExamples([
    { command: "hone run pipelines/sentiment.yaml", description: "run a pipeline; again, and nothing runs" },
    {
      command: "hone plan pipelines/sentiment.yaml --set tuned.epochs=3",
      description: "what a change would run, and why"
    },
    { command: "hone explain pipelines/sentiment.yaml tuned", description: "why a step runs or is cached" },
    { command: "hone steps train", description: "the params of a kind of step" }
  ]),
  Command.withSubcommands([
    runVerb,
    planVerb,
    explainVerb,
    showVerb,
    ingestVerb,
    previewVerb,
    graphVerb,
    predictVerb,
    exportVerb,
    runsVerb,
    stepsVerb,
    schemaVerb,
    verifyVerb,
    rerunVerb,
    sweepVerb,
    gcVerb,
    pinVerb,
    unpinVerb,
    doctorVerb
  ])
)

// The first Ctrl-C interrupts the run, which ends its workers and writes its record; whoever presses again wants to leave at once.
let interrupts = 0
process.on("SIGINT", () => {
  interrupts += 1
  if (interrupts < 2) return
  endAllNow()
  process.exit(130)
})

// A terminal that is closed ends the run as a TERM does: its workers end, what is finished stays, and the run is remembered. Whoever started
// it to outlive the terminal (nohup) is told by the launcher.
let isHungUp = false
process.on("SIGHUP", () => {
  isHungUp = true
  if (process.env["HONE_IGNORES_HANGUP"] === undefined) process.kill(process.pid, "SIGTERM")
})

// A reader that closes the pipe (`hone show ... | head`) is no failure; a terminal that is gone takes no words.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (!isHungUp) process.exit(error.code === "EPIPE" ? 0 : 1)
})
process.stderr.on("error", () => {})

Command.runWith(hone, { version: "0.1.0" })(process.argv.slice(2)).pipe(
  Effect.catchTag("ShowHelp", (help) => (help.errors.length > 0 ? Effect.fail(new Exit({ code: 2 })) : Effect.void)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
