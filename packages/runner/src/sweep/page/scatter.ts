import type { SweepTrial } from "@hone/core/sweep/SweepJson"
import * as Plot from "@observablehq/plot"
import { type Axis, paramAxes } from "../report/axes.ts"
import { type Comparable, comparableOf } from "../report/comparable.ts"
import { colourIn, drawingOrder, opacityIn, shared, tipIn, type View } from "./look.ts"
import { lastPart, valueText } from "../report/names.ts"

const scaleOf = ({ kind, ticks }: Axis): Plot.ScaleOptions =>
  kind === "category" ? { type: "point", domain: ticks.map(({ text }) => text), padding: 0.5 } : { type: kind }

/** Pixels of a letter, about. */
const letter = 7

/** Whether the names of an axis' categories would run into each other. */
const isCrowded = ({ kind, ticks }: Axis, width: number): boolean =>
  kind === "category" && Math.max(...ticks.map(({ text }) => text.length)) * letter * ticks.length > width

const onePlot = (view: View, axis: Axis, { of, valueOf }: Comparable): Element => {
  const { sweep, width } = view
  const trials = drawingOrder(view).filter((trial) => valueOf(trial) !== null && axis.placeOf(trial) !== null)
  const metric = lastPart(of)
  const colour = colourIn(sweep)
  const opacity = opacityIn(view)
  const place = (trial: SweepTrial) =>
    axis.kind === "category" ? valueText(axis.valueOf(trial)) : (axis.valueOf(trial) as number)
  const spread = (sign: number) => (trial: SweepTrial) => valueOf(trial)! + sign * (trial.sd ?? 0)
  const channels = { x: place, y: valueOf }
  return Plot.plot({
    ...shared,
    width,
    height: isCrowded(axis, width) ? 270 : 220,
    marginLeft: 52,
    marginBottom: isCrowded(axis, width) ? 86 : 36,
    ariaLabel: `${metric} against ${axis.name}`,
    x: {
      ...scaleOf(axis),
      label: axis.name,
      tickRotate: isCrowded(axis, width) ? -25 : 0,
      ...(axis.kind === "log" ? { ticks: 4, tickFormat: valueText } : {})
    },
    y: { grid: true, nice: true, label: metric, ticks: 5, tickFormat: valueText },
    color: { type: "identity" },
    marks: [
      Plot.ruleX(
        // Seeds spread the objective, not what stands for it.
        trials.filter(({ sd }) => sd !== null && of === sweep.objective.metric),
        { x: place, y1: spread(-1), y2: spread(1), stroke: colour, strokeOpacity: opacity }
      ),
      Plot.dot(trials, {
        ...channels,
        r: 4,
        stroke: colour,
        strokeWidth: 1.5,
        fill: (trial: SweepTrial) => (trial.state === "complete" ? colour(trial) : "var(--page)"),
        fillOpacity: opacity,
        strokeOpacity: opacity
      }),
      Plot.tip(trials, Plot.pointer({ ...channels, title: tipIn(sweep) }))
    ]
  })
}

/** What trials are held against each other by, against each param that differs: one small plot each. */
export const scatterPlots = (view: View): ReadonlyArray<Element> => {
  const told = comparableOf(view.sweep)
  const isTold = view.sweep.trials.some((trial) => told.valueOf(trial) !== null)
  return isTold ? paramAxes(view.sweep).map((axis) => onePlot(view, axis, told)) : []
}
