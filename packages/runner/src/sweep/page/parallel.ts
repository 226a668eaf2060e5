import type { SweepTrial } from "@hone/core/sweep/SweepJson"
import * as Plot from "@observablehq/plot"
import { type Axis, objectiveAxis, paramAxes } from "../report/axes.ts"
import { comparableOf } from "../report/comparable.ts"
import { colourIn, drawingOrder, opacityIn, shared, strokeWidthIn, tipIn, type View } from "./look.ts"

const narrowestAxis = 132
/** Below the axis: a param that a condition left out, a trial without an objective. */
const absent = -0.1

interface Knot {
  readonly trial: SweepTrial
  readonly axis: string
  readonly place: number
}

const knotsOf = (trials: ReadonlyArray<SweepTrial>, axes: ReadonlyArray<Axis>): ReadonlyArray<Knot> =>
  trials.flatMap((trial) => axes.map(({ name, placeOf }) => ({ trial, axis: name, place: placeOf(trial) ?? absent })))

/** Parallel coordinates: a line a trial over the params that differ, and the objective. Undefined where nothing differs. */
export const parallelPlot = (view: View): Element | undefined => {
  const { sweep } = view
  const goal = objectiveAxis(comparableOf(sweep), sweep.trials)
  const axes = [...paramAxes(sweep), ...(goal === undefined ? [] : [goal])]
  if (axes.length < 2) return undefined
  const knots = knotsOf(drawingOrder(view), axes)
  const colour = colourIn(sweep)
  const width = strokeWidthIn(view)
  const opacity = opacityIn(view)
  const tip = tipIn(sweep)
  const ticks = axes.flatMap(({ name, ticks }) => ticks.map((tick) => ({ axis: name, ...tick })))
  const leftOut = [...new Set(knots.filter(({ place }) => place === absent).map(({ axis }) => axis))]
  const line = (trials: "whole" | "stopped") => {
    const own = knots.filter(({ trial }) => (trial.state === "complete") === (trials === "whole"))
    return Plot.line(own, {
      x: "axis",
      y: "place",
      z: (knot: Knot) => knot.trial.id,
      stroke: (knot: Knot) => colour(knot.trial),
      strokeWidth: (knot: Knot) => width(knot.trial),
      strokeOpacity: (knot: Knot) => opacity(knot.trial),
      strokeDasharray: trials === "whole" ? "none" : "3 4",
      curve: "bump-x"
    })
  }
  return Plot.plot({
    ...shared,
    width: Math.max(view.width, narrowestAxis * axes.length),
    height: 340,
    marginLeft: 60,
    marginRight: 60,
    marginTop: 36,
    marginBottom: 16,
    ariaLabel: "Parallel coordinates",
    ariaDescription: `${sweep.trials.length} trials over ${axes.map(({ name }) => name).join(", ")}`,
    x: { type: "point", domain: axes.map(({ name }) => name), axis: null },
    y: { domain: [leftOut.length > 0 ? absent : 0, 1], axis: null },
    color: { type: "identity" },
    marks: [
      Plot.ruleX(axes, { x: "name", y1: 0, y2: 1, stroke: "var(--line)" }),
      line("stopped"),
      line("whole"),
      Plot.text(axes, { x: "name", y: 1, text: "name", dy: -22, fontWeight: 600, fill: "currentColor" }),
      Plot.text(ticks, {
        x: "axis",
        y: "at",
        text: "text",
        dx: 5,
        textAnchor: "start",
        fill: "currentColor",
        stroke: "var(--page)",
        strokeWidth: 4
      }),
      Plot.text(leftOut, { x: (name: string) => name, y: absent, text: () => "none", dx: 5, textAnchor: "start" }),
      Plot.tip(knots, Plot.pointer({ x: "axis", y: "place", title: (knot: Knot) => tip(knot.trial) }))
    ]
  })
}
