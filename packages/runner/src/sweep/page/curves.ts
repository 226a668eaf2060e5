import type { SweepTrial } from "@hone/core/sweep/SweepJson"
import * as Plot from "@observablehq/plot"
import { colourIn, drawingOrder, opacityIn, shared, strokeWidthIn, type View } from "./look.ts"
import { lastPart, numberText, valueText } from "../report/names.ts"

interface Told {
  readonly trial: SweepTrial
  readonly at: number
  readonly value: number
  readonly text: string
}

const pointsOf = (trials: ReadonlyArray<SweepTrial>): ReadonlyArray<Told> =>
  trials.flatMap((trial) =>
    trial.curve.map((point) => ({ trial, ...point, text: `trial ${trial.number}: ${numberText(point.value)}` }))
  )

const rungsOf = (trials: ReadonlyArray<SweepTrial>) =>
  trials.flatMap((trial) =>
    trial.rungs.map((rung) => ({
      trial,
      decision: rung.decision,
      at: rung.resource,
      value: rung.value,
      text: `trial ${trial.number} at ${rung.resource}: ${rung.decision}, ${numberText(rung.value)}\n${rung.why}`
    }))
  )

/** At most ten whole numbers between the ends: epochs have no halves. */
const wholeTicks = (points: ReadonlyArray<Told>): ReadonlyArray<number> => {
  const places = points.map(({ at }) => at)
  const [first, last] = [Math.ceil(Math.min(...places)), Math.floor(Math.max(...places))]
  const step = Math.max(1, Math.ceil((last - first) / 9))
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, at) => first + at * step)
}

/** What each trial told as it trained, with what was decided at the rungs. Undefined where nothing was told on the way. */
export const curvesPlot = (view: View): Element | undefined => {
  const { sweep } = view
  const trials = drawingOrder(view)
  const points = pointsOf(trials)
  if (sweep.curve === null || points.length === 0) return undefined
  const { resource } = sweep.curve
  const metric = lastPart(sweep.curve.metric)
  const rungs = rungsOf(trials)
  const colour = colourIn(sweep)
  const width = strokeWidthIn(view)
  const opacity = opacityIn(view)
  const own = <A>(channel: (trial: SweepTrial) => A) => ({
    channel: ({ trial }: { readonly trial: SweepTrial }) => channel(trial)
  })
  const stroke = own(colour).channel
  const strokeOpacity = own(opacity).channel
  return Plot.plot({
    ...shared,
    width: view.width,
    height: 320,
    marginLeft: 52,
    marginBottom: 36,
    ariaLabel: `${metric} by ${resource}`,
    ariaDescription: `${new Set(points.map(({ trial }) => trial.id)).size} curves, ${rungs.length} decisions at rungs`,
    x: { label: resource, ticks: wholeTicks(points), tickFormat: String },
    y: { grid: true, nice: true, label: metric, tickFormat: valueText },
    color: { type: "identity" },
    marks: [
      Plot.ruleX(sweep.prune?.rungs ?? [], { stroke: "var(--line)", strokeDasharray: "2 4" }),
      Plot.line(points, {
        x: "at",
        y: "value",
        z: ({ trial }: Told) => trial.id,
        stroke,
        strokeWidth: own(width).channel,
        strokeOpacity
      }),
      // One point has no line.
      Plot.dot(
        points.filter(({ trial }) => trial.curve.length === 1),
        { x: "at", y: "value", r: 2.5, fill: stroke, fillOpacity: strokeOpacity }
      ),
      Plot.dot(rungs, {
        x: "at",
        y: "value",
        r: 4.5,
        symbol: ({ decision }: { readonly decision: string }) => (decision === "stopped" ? "times" : "circle"),
        stroke,
        strokeWidth: 2,
        strokeOpacity,
        fill: "var(--page)"
      }),
      Plot.tip([...points, ...rungs], Plot.pointer({ x: "at", y: "value", title: "text" }))
    ]
  })
}
