import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { paramAxes } from "../report/axes.ts"
import { numberText, valueText } from "../report/names.ts"

/** What every plot is drawn from. */
export interface View {
  readonly sweep: SweepJson
  /** In pixels. */
  readonly width: number
  /** The trial that is pointed out. */
  readonly picked: string | undefined
}

const rankedOf = ({ trials }: SweepJson) => trials.filter(({ rank }) => rank !== null)

/** From the colour of the worst trial to that of the best, by rank; grey without one. The colours are the style sheet's. */
export const colourIn = (sweep: SweepJson): ((trial: SweepTrial) => string) => {
  const last = Math.max(1, rankedOf(sweep).length - 1)
  return ({ rank }) => {
    if (rank === null) return "var(--unranked)"
    const share = 100 * (1 - (rank - 1) / last)
    return `color-mix(in oklab, var(--best) ${share.toFixed(0)}%, var(--worst))`
  }
}

/** Strong where a trial is pointed out, weak beside one that is. */
export const opacityIn =
  ({ picked }: View) =>
  ({ id }: SweepTrial): number =>
    picked === undefined ? 0.85 : id === picked ? 1 : 0.2

export const strokeWidthIn =
  ({ picked, sweep }: View) =>
  ({ id }: SweepTrial): number =>
    id === (picked ?? sweep.best) ? 3 : 1.5

/** Trials so that the best, or the one pointed out, is drawn last and lies on top. */
export const drawingOrder = ({ picked, sweep }: View): ReadonlyArray<SweepTrial> => {
  const height = ({ id, rank }: SweepTrial) => (id === picked ? 0 : (rank ?? Infinity))
  return sweep.trials.toSorted((a, b) => height(b) - height(a) || 0)
}

/** What the pointer is told over a trial. */
export const tipIn = (sweep: SweepJson): ((trial: SweepTrial) => string) => {
  const axes = paramAxes(sweep)
  return (trial) => {
    const params = axes.map(({ name, valueOf }) => `${name}: ${valueText(valueOf(trial)) || "–"}`)
    const own = trial.objective === null ? trial.state : `${numberText(trial.objective)} (${trial.state})`
    return [`trial ${trial.number}: ${own}`, ...params].join("\n")
  }
}

/** Plot's options that all figures share. */
export const shared = { style: { background: "transparent", fontSize: "12px", overflow: "visible" } } as const

/** "0:50", "12:30", "1:02:00". */
export const clockText = (seconds: number): string => {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0")
  const hours = Math.floor(seconds / 3600)
  const minutes = (seconds % 3600) / 60
  return `${hours === 0 ? Math.floor(minutes) : `${hours}:${two(minutes)}`}:${two(seconds % 60)}`
}

/** "1 h 20 min", "3 min", "12 s". */
export const timeText = (seconds: number): string => {
  if (seconds < 100) return `${Number(seconds.toPrecision(3))} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
