import * as Plot from "@observablehq/plot"
import { clockText, colourIn, opacityIn, shared, timeText, type View } from "./look.ts"
import { type Stretch, timelineOf } from "../report/timeline.ts"

/** Narrower stretches have no room for their trial's number. */
const labelledPixels = 16

const clockSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]

/** At most so many ticks, at times that a clock shows. */
const ticksUpTo = (end: number, most: number): ReadonlyArray<number> => {
  const step = clockSteps.find((step) => end / step <= most) ?? end
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, at) => at * step)
}

const tip = ({ from, replicate, to, trial, until }: Stretch): string => {
  const way = until === null ? "to its end" : `to ${until}`
  const seed = replicate === 0 ? "" : `, seed ${replicate + 1}`
  return `trial ${trial.number} ${way}${seed}: ${timeText(to - from)}`
}

/** Which trial each of the places ran, and when. Undefined where all was there already. */
export const machinePlot = (view: View): Element | undefined => {
  const { cuts, stretches } = timelineOf(view.sweep.trials)
  if (stretches.length === 0) return undefined
  const colour = colourIn(view.sweep)
  const opacity = opacityIn(view)
  const slots = [...new Set(stretches.map(({ slot }) => slot))].sort((a, b) => a - b)
  const end = Math.max(...stretches.map(({ to }) => to))
  const isLabelled = ({ from, to }: Stretch) => ((to - from) / end) * (view.width - 80) >= labelledPixels
  const rows = { y: ({ slot }: Stretch) => slot + 1 }
  return Plot.plot({
    ...shared,
    width: view.width,
    height: 50 + 34 * slots.length,
    marginLeft: 60,
    marginBottom: 36,
    ariaLabel: "Time line of the machine's use",
    ariaDescription: `${stretches.length} stretches of work in ${slots.length} places`,
    x: { label: "time", domain: [0, end], tickFormat: clockText, ticks: ticksUpTo(end, view.width / 110) },
    y: { label: "place", domain: slots.map((slot) => slot + 1), type: "band", padding: 0.15 },
    color: { type: "identity" },
    marks: [
      Plot.barX(stretches, {
        ...rows,
        x1: "from",
        x2: "to",
        fill: ({ trial }: Stretch) => colour(trial),
        fillOpacity: ({ trial }: Stretch) => opacity(trial),
        stroke: "var(--page)"
      }),
      Plot.text(stretches.filter(isLabelled), {
        ...rows,
        x: ({ from, to }: Stretch) => (from + to) / 2,
        text: ({ trial }: Stretch) => String(trial.number),
        fill: "var(--on-bar)"
      }),
      Plot.ruleX(cuts, { x: "at", stroke: "currentColor", strokeDasharray: "2 3" }),
      Plot.text(cuts, {
        x: "at",
        text: ({ seconds }: { readonly seconds: number }) => `idle ${timeText(seconds)}`,
        frameAnchor: "top",
        dy: -12
      }),
      Plot.tip(stretches, Plot.pointer({ ...rows, x: ({ from, to }: Stretch) => (from + to) / 2, title: tip }))
    ]
  })
}
