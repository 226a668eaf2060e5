import { availableParallelism } from "node:os"
import type { SweepJson } from "@hone/core/sweep/SweepJson"
import { Engine } from "@hone/core/Services"
import { Clock, Effect, Layer } from "effect"
import { join } from "node:path"
import { roomOf } from "../../schedule/Room.ts"
import { share } from "../../schedule/Run.ts"
import { sweepScratch } from "../../store/Attempts.ts"
import { enter, leave } from "../../store/Live.ts"
import type { Machine } from "../../sweep/piece.ts"
import { importanceOf } from "../../sweep/importance/importance.ts"
import { sweepJson } from "../../sweep/result.ts"
import { search } from "../../sweep/Search.ts"
import { emptyState, type SweepState } from "../../sweep/State.ts"
import type { Told } from "../../sweep/Workshop.ts"
import * as Workers from "../../worker/Workers.ts"
import { bundleFolder } from "../Places.ts"
import type { LoadedSweep } from "./Load.ts"

export interface SweepScreen {
  readonly say: (what: Told, state: SweepState) => void
  readonly begin: (state: SweepState) => void
}

/** Trials side by side share the cores, and so do their engines' threads. */
const sharedEngine = (parallel: number) =>
  Layer.effect(
    Engine,
    Effect.map(Engine, (engine) => ({ ...engine, threads: Math.max(1, Math.floor(engine.threads / parallel)) }))
  )

/** Runs a sweep, or looks at what there is of it, and tells its result. */
export const executeSweep = Effect.fn("execute sweep")(function* (
  loaded: LoadedSweep,
  mode: "run" | "look",
  screen: SweepScreen
) {
  const { block, file, folder, log, pipeline, services, sweep, trials } = loaded
  const startedAt = yield* Clock.currentTimeMillis
  const state = emptyState(sweep, startedAt)
  screen.begin(state)
  const cores = availableParallelism()
  const { parallel } = sweep.search
  const shared = yield* share(cores, parallel, parallel > 1 ? roomOf(sweep.memory) : undefined)
  const machine: Machine = { trials, folder, cores, shared }
  const layers = Layer.provideMerge(sharedEngine(parallel), services)
  if (mode === "run") sweepScratch(folder)
  enter(folder)
  const work = search({ machine, state, log, block, mode, say: (what) => screen.say(what, state) })
  yield* work.pipe(
    // Pieces end before the workers do: one whose worker is taken away would take that for a crash.
    Effect.scoped,
    Effect.provide(Layer.merge(layers, Workers.layer(join(bundleFolder(), "worker.mjs")))),
    Effect.catchTag("EngineMissing", Effect.die), // loading the sweep has met it already
    Effect.ensuring(Effect.sync(() => leave(folder)))
  )
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  const result: SweepJson = sweepJson({ state, pipeline, file, seconds })
  return { ...result, importance: importanceOf(result) }
})
