// Runs in the browser: draws the figures of a sweep's page into the places that sweepHtml left for them.
import type { SweepJson } from "@hone/core/sweep/SweepJson"
import "./style.css"
import { curvesPlot } from "./curves.ts"
import { importancesPlot } from "./importances.ts"
import type { View } from "./look.ts"
import { machinePlot } from "./machine.ts"
import { parallelPlot } from "./parallel.ts"
import { scatterPlots } from "./scatter.ts"

const widestSmallPlot = 300
/** Windows pass through widths in which nothing can be drawn: while they open, and when a page is printed or photographed. */
const narrowestPage = 160

const sweep = JSON.parse(document.getElementById("sweep")!.textContent!) as SweepJson
let picked: string | undefined

/** Fills a figure, or hides its section where there is nothing to draw. */
const fill = (id: string, draw: (view: View) => Element | ReadonlyArray<Element> | undefined, parts = 1): void => {
  const section = document.getElementById(id)
  const place = section?.querySelector<HTMLElement>(".plot")
  if (section == null || place == null) return
  section.hidden = false
  const width = parts === 1 ? place.clientWidth : smallWidth(place.clientWidth)
  const drawn = [draw({ sweep, width, picked }) ?? []].flat()
  place.replaceChildren(...drawn)
  section.hidden = drawn.length === 0
}

const smallWidth = (width: number): number => Math.floor(width / Math.max(1, Math.floor(width / widestSmallPlot))) - 8

const drawAll = (): void => {
  fill("importances", importancesPlot)
  fill("parallel", parallelPlot)
  fill("params", scatterPlots, 2)
  fill("curves", curvesPlot)
  fill("machine", machinePlot)
}

const pick = (id: string): void => {
  picked = picked === id ? undefined : id
  for (const button of document.querySelectorAll<HTMLElement>("button[data-trial]")) {
    const isPicked = button.dataset["trial"] === picked
    button.setAttribute("aria-pressed", String(isPicked))
    button.closest("tr")?.classList.toggle("picked", isPicked)
  }
  drawAll()
}

for (const button of document.querySelectorAll<HTMLElement>("button[data-trial]"))
  button.addEventListener("click", () => pick(button.dataset["trial"]!))

let drawnWidth = 0
new ResizeObserver(() => {
  const width = document.body.clientWidth
  if (width === drawnWidth || width < narrowestPage) return
  drawnWidth = width
  drawAll()
}).observe(document.body)
