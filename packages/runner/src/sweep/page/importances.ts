import type { SweepImportance } from "@hone/core/sweep/SweepJson"
import * as Plot from "@observablehq/plot"
import { shared, type View } from "./look.ts"
import { shortNames } from "../report/names.ts"

type Own = SweepImportance["params"][number]

const percent = (share: number): string => `${Math.round(100 * share)} %`

/** A bar a param, and a stroke where chance may take it. Undefined where nothing is told. */
export const importancesPlot = ({ sweep, width }: View): Element | undefined => {
  const params = sweep.importance?.params ?? []
  if (params.length === 0) return undefined
  const paths = params.flatMap(({ paths }) => paths)
  const names = shortNames(paths)
  const nameOf = (own: Own) => own.paths.map((path) => names[paths.indexOf(path)]).join(" + ")
  const most = Math.max(...params.flatMap(({ chance, share }) => [chance, share]))
  return Plot.plot({
    ...shared,
    width,
    height: 46 + 30 * params.length,
    marginLeft: Math.min(0.4 * width, 20 + 7 * Math.max(...params.map((param) => nameOf(param).length))),
    marginRight: 46,
    marginBottom: 34,
    ariaLabel: "Importance of each param",
    ariaDescription: params.map((param) => `${nameOf(param)} ${percent(param.share)}`).join(", "),
    x: {
      label: `share of the variance of ${sweep.importance!.of}`,
      domain: [0, most],
      tickFormat: percent,
      ticks: 5,
      grid: true
    },
    y: { label: null, domain: params.map(nameOf) },
    marks: [
      Plot.barX(params, {
        x: "share",
        y: nameOf,
        fill: ({ chance, share }: Own) => (share > chance ? "var(--best)" : "var(--unranked)")
      }),
      Plot.tickX(params, { x: "chance", y: nameOf, stroke: "currentColor", strokeWidth: 2, strokeDasharray: "3 2" }),
      Plot.text(params, {
        x: "share",
        y: nameOf,
        text: ({ share }: Own) => percent(share),
        dx: 6,
        textAnchor: "start",
        fill: "currentColor",
        stroke: "var(--page)",
        strokeWidth: 4
      })
    ],
    color: { type: "identity" }
  })
}
