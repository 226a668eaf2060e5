import { styleText } from "node:util"

type Style = Parameters<typeof styleText>[0]

/** Colours only on a terminal that wants them (NO_COLOR, TERM=dumb and pipes do not). */
export const coloured = (stream: NodeJS.WriteStream = process.stdout): boolean =>
  stream.isTTY === true && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb"

export const paint = (style: Style, text: string): string =>
  coloured() ? styleText(style, text, { validateStream: false }) : text

// Colours are ours; any other control character came with someone's data, and could move the cursor, ring, or rename the window.
const control = /\u001b\[[\d;]*m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu

/** A text that does nothing on a terminal but stand there: control characters as their code, line ends and colours as they are. */
export const harmless = (text: string): string =>
  text.replace(control, (found) =>
    found.length > 1 ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

export const print = (text: string): void => void process.stdout.write(`${harmless(text)}\n`)

export const printError = (text: string): void => void process.stderr.write(`${harmless(text)}\n`)

export const printJson = (value: unknown): void => print(JSON.stringify(value))

/** "0.4 s", "12 s", "3 min 05 s". */
export const duration = (seconds: number): string => {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 100) return `${Math.round(seconds)} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`
}

export const bytes = (n: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let value = n
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`
}

export type Align = "left" | "right"

/** Columns of text, two spaces apart. Widths count what is seen: colour codes take no room. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>, align: ReadonlyArray<Align> = []): string => {
  const seen = (text: string) => text.replace(/\u001b\[[0-9;]*m/gu, "").length
  const widths: Array<number> = []
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, seen(cell))))
  return rows
    .map((row) =>
      row
        .map((cell, i) => {
          const gap = " ".repeat((widths[i] ?? 0) - seen(cell))
          return align[i] === "right" ? gap + cell : i === row.length - 1 ? cell : cell + gap
        })
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
