// A process of its own for a test that kills it: trains with checkpoints in the folder given, and tells each step to its parent.
import { Effect } from "effect"
import { makeBench } from "./context.ts"
import { tinyTraining } from "./tinyTraining.ts"

const bench = makeBench()
try {
  await Effect.runPromise(tinyTraining(bench, process.argv[2], (step) => process.send!(step)))
} finally {
  bench.dispose()
}
process.disconnect()
