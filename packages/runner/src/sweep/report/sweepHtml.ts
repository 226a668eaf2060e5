import { createHash } from "node:crypto"
import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { comparableOf } from "./comparable.ts"
import { lastPart, numberText, shortNames, valueText } from "./names.ts"

/** What the page's own folder bundles to: see scripts/bundle. */
export interface PageAssets {
  readonly script: string
  readonly style: string
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }
const escaped = (text: string): string => text.replace(/[&<>"]/gu, (character) => entities[character]!)

/** JSON that cannot end the element it stands in. */
const embedded = (value: unknown): string => JSON.stringify(value).replaceAll("<", "\\u003c")

const tag = (name: string, content: string, attributes = ""): string =>
  `<${name}${attributes === "" ? "" : ` ${attributes}`}>${content}</${name}>`

const spread = (value: number, sd: number | null): string =>
  `${numberText(value)}${sd === null ? "" : ` ± ${numberText(Number(sd.toPrecision(2)))}`}`

interface Score {
  readonly name: string
  readonly value: string
  readonly note: string
}

/** The winner where it was chosen, the winner where nothing was chosen, and the base there. */
const scoresOf = ({ base, best, objective, test, trials }: SweepJson): ReadonlyArray<Score> => {
  const winner = trials.find(({ id }) => id === best)
  if (winner === undefined || winner.objective === null) return []
  const tried = trials.filter(({ state }) => state === "complete" || state === "stopped").length
  const metric = test?.metric ?? undefined
  const runs = winner.replicates.filter(({ objective }) => objective !== null).length
  const seeds = runs > 1 ? ` over ${runs} seeds` : ""
  return [
    {
      name: `best of ${tried} by ${lastPart(objective.metric)}`,
      value: spread(winner.objective, winner.sd),
      note: `trial ${winner.number}${seeds}; the number it was chosen by`
    },
    ...(metric === undefined || test?.best[metric] === undefined
      ? []
      : [
          { name: `its ${metric} on test rows`, value: numberText(test.best[metric]), note: `told by ${test.steps[0]}` }
        ]),
    ...(metric === undefined || base?.test[metric] === undefined
      ? []
      : [
          {
            name: `the base's ${metric}`,
            value: numberText(base.test[metric]),
            note: base.how === null ? base.step : `${base.step}, ${base.how}`
          }
        ])
  ]
}

const scoreItem = ({ name, note, value }: Score): string =>
  tag("li", `${escaped(name)}${tag("b", escaped(value))}${tag("span", escaped(note), 'class="weak"')}`)

const rungText = ({ rungs, state }: SweepTrial): string => {
  const last = rungs.at(-1)
  return state === "stopped" && last !== undefined ? `stopped at ${last.resource}: ${numberText(last.value)}` : state
}

type Params = SweepJson["params"]

const trialRow = (trial: SweepTrial, params: Params): string => {
  const { error, id, number, objective, rank, sd, seconds } = trial
  const button = tag("button", String(number), `type="button" data-trial="${escaped(id)}" aria-pressed="false"`)
  const numbers = 'class="number"'
  return tag(
    "tr",
    [
      tag("td", rank === null ? "" : String(rank), numbers),
      tag("td", button),
      ...params.map(({ kind, path }) => {
        const value = trial.params[path]
        const isNumber = typeof value === "number" || (value === undefined && kind !== "choice")
        return tag("td", escaped(valueText(value) || "–"), isNumber ? numbers : "")
      }),
      tag("td", objective === null ? "" : spread(objective, sd), numbers),
      tag(
        "td",
        error === null ? rungText(trial) : escaped(`${error.step}: ${error.message}`),
        error === null ? "" : 'class="error"'
      ),
      tag("td", seconds === 0 ? "" : seconds.toFixed(1), numbers)
    ].join("")
  )
}

const baseRow = ({ base, test }: SweepJson, params: Params): string => {
  const metric = test?.metric ?? Object.keys(base?.test ?? {})[0]
  if (base === null || metric === undefined || base.test[metric] === undefined) return ""
  const told = `the base, ${metric} on test rows${base.how === null ? "" : ` (${base.how})`}`
  const cells = [
    tag("td", ""),
    tag("td", escaped(told), `colspan="${params.length + 1}"`),
    tag("td", numberText(base.test[metric]), 'class="number"'),
    tag("td", "not tuned"),
    tag("td", "")
  ]
  return tag("tr", cells.join(""), 'class="base"')
}

const trialsTable = (sweep: SweepJson): string => {
  const params = sweep.params.filter(({ differs }) => differs)
  const names = shortNames(params.map(({ path }) => path))
  const isNumeric = ({ path }: Params[number]) =>
    sweep.trials.every(({ params }) => ["number", "undefined"].includes(typeof params[path]))
  const head = (text: string, attributes = "") => tag("th", escaped(text), `scope="col" ${attributes}`.trim())
  const heads = [
    head("rank", 'class="number"'),
    head("trial"),
    ...params.map((param, at) =>
      head(names[at]!, `${isNumeric(param) ? 'class="number" ' : ""}title="${escaped(param.path)}"`)
    ),
    head(lastPart(sweep.objective.metric), `class="number" title="${escaped(sweep.objective.metric)}"`),
    head("state"),
    head("seconds", 'class="number"')
  ]
  const rows = [baseRow(sweep, params), ...sweep.trials.map((trial) => trialRow(trial, params))]
  return tag("table", tag("thead", tag("tr", heads.join(""))) + tag("tbody", rows.join("\n")))
}

/** A section that the script fills, and hides where there is nothing to draw. */
const figure = (id: string, title: string, words: string): string =>
  tag(
    "section",
    tag("h2", escaped(title)) + tag("figure", tag("figcaption", escaped(words)) + tag("div", "", 'class="plot"')),
    `id="${id}" hidden`
  )

const figures = (sweep: SweepJson): ReadonlyArray<string> => {
  const { curve, importance, prune } = sweep
  const { of } = comparableOf(sweep)
  const rungs = prune === null ? "" : " At the rungs: a ring where a trial was kept, a cross where it was stopped."
  return [
    figure(
      "importances",
      "What mattered",
      `${importance?.words ?? ""} The dashed stroke is what chance gives a param in one sweep of twenty.`
    ),
    figure(
      "parallel",
      "All trials at once",
      `One line a trial, from the worst to the best by colour; dashed where it did not come to its end. The last axis is ${of}.`
    ),
    figure(
      "params",
      of === sweep.objective.metric ? "The objective against each param" : `${of} against each param`,
      "Filled where a trial came to its end; strokes are ± one sd over seeds."
    ),
    figure("curves", curve === null ? "Curves" : `${curve.metric} as training went on`, `One line a trial.${rungs}`),
    figure(
      "machine",
      "What the machine did",
      "Each stretch is a trial at work, by its number. Long idle times are cut out."
    )
  ]
}

/** Said in place of the figure, where it is not drawn. */
const importanceWords = ({ importance }: SweepJson): string =>
  importance === undefined || importance.params.length > 0
    ? ""
    : tag("section", tag("h2", "What mattered") + tag("p", escaped(importance.words)))

const factsOf = ({ cost, ended, objective, search, trials }: SweepJson): string => {
  const failed = trials.filter(({ state }) => state === "failed").length
  const shared = `${cost.steps} steps, ${cost.distinct_steps} distinct after sharing`
  return [
    `${objective.goal} ${objective.metric}, the ${objective.at === "best" ? "best" : "last"} of each training`,
    `${search.method}, seed ${search.seed}, ${search.parallel} at a time`,
    `${trials.length} trials${failed === 0 ? "" : `, ${failed} failed`}`,
    shared,
    `${numberText(Math.round(cost.wall_seconds))} s in the last run, ${numberText(Math.round(cost.trial_seconds))} s in trials`,
    `ended: ${ended}`
  ].join(" · ")
}

const policy = (script: string): string => {
  const hash = createHash("sha256").update(script).digest("base64")
  return `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`
}

/**
 * A sweep as one HTML file that needs nothing but a browser: figures are drawn by the script inside, the table and all sentences
 * are there without it. Its policy lets nothing be loaded from anywhere.
 */
export const sweepHtml = (sweep: SweepJson, { script, style }: PageAssets): string => {
  const title = `Sweep of ${sweep.pipeline}`
  const { decisions, warnings } = sweep
  const list = (lines: ReadonlyArray<string>) => lines.map((line) => tag("li", escaped(line))).join("")
  const parts = [
    tag("h1", escaped(title)),
    tag("p", escaped(factsOf(sweep)), 'class="weak"'),
    tag("ul", scoresOf(sweep).map(scoreItem).join(""), 'class="scores"'),
    warnings.length === 0 ? "" : tag("ul", list(warnings), 'class="warnings" aria-label="Warnings"'),
    tag("h2", "Trials"),
    tag("p", "A trial's number points it out in all figures; again, and all are shown.", 'class="weak"'),
    tag("div", trialsTable(sweep), 'class="wide" tabindex="0" role="region" aria-label="Trials, best first"'),
    importanceWords(sweep),
    ...figures(sweep),
    tag("noscript", tag("p", "The figures are drawn by a script; this browser does not run it.")),
    decisions.length === 0
      ? ""
      : tag("details", tag("summary", `${decisions.length} decisions at rungs`) + tag("ol", list(decisions)))
  ]
  return [
    "<!doctype html>",
    '<html lang="en">',
    tag(
      "head",
      [
        '<meta charset="utf-8">',
        `<meta http-equiv="Content-Security-Policy" content="${policy(script)}">`,
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        tag("title", escaped(title)),
        tag("style", style)
      ].join("\n")
    ),
    tag(
      "body",
      [
        tag("main", parts.filter((part) => part !== "").join("\n")),
        tag("script", embedded(sweep), 'id="sweep" type="application/json"'),
        tag("script", script)
      ].join("\n")
    ),
    "</html>",
    ""
  ].join("\n")
}
