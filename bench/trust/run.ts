import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { heading } from "../machine.ts"
import { installPeer, type PeerName } from "../peers/install.ts"
import * as onPeers from "./experiments.ts"
import type { Verdict } from "./experiments.ts"
import { onHone } from "./hone.ts"
import { peers } from "./peers.ts"

const experiments = {
  edited: "an input is edited while the step runs",
  swapped: "train and test are swapped",
  tampered: "a stored result is tampered with",
  sameAgain: "a step runs again with the same result",
  orphaned: "the tool is killed, its step lives on",
  unsteady: "a step gives another result each time"
} as const

type Name = keyof typeof experiments

const onPeer = { ...onPeers, tampered: onPeers.tamperedWith } satisfies Record<Name, unknown>

const words = { right: "right", wrong: "WRONG", again: "needless work", locked: "locked", silent: "unsaid" } as const

/** An experiment that does not come to its end is told as such; the others go on. */
const settled = async (
  experiment: () => Promise<Verdict>
): Promise<Verdict | { readonly how: "failed"; readonly what: string }> => {
  try {
    return await experiment()
  } catch (error) {
    return { how: "failed", what: (error as Error).message }
  }
}

interface Result {
  readonly experiment: Name
  readonly tool: string
  readonly how: Verdict["how"] | "failed"
  readonly what: string
}

const table = (results: ReadonlyArray<Result>): string => {
  const tools = [...new Set(results.map(({ tool }) => tool))]
  const rows = (Object.keys(experiments) as ReadonlyArray<Name>).map((name) => {
    const cells = tools.map((tool) => {
      const found = results.find((result) => result.experiment === name && result.tool === tool)
      return found === undefined ? "" : found.how === "failed" ? "failed" : words[found.how]
    })
    return `| ${experiments[name]} | ${cells.join(" | ")} |`
  })
  return [`| | ${tools.join(" | ")} |`, `|---|${tools.map(() => "---|").join("")}`, ...rows].join("\n")
}

/** `trust [--json FILE]`: the same accidents in Hone and in its peers, and who serves what. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({ args: [...args], options: { json: { type: "string" }, only: { type: "string" } } })
  console.log(heading())
  const installed = (Object.keys(peers) as ReadonlyArray<PeerName>).flatMap((name) => {
    const found = installPeer(name)
    if ("missing" in found) return (console.log(found.missing), [])
    return [peers[name](found.command, found.version)]
  })
  const base = mkdtempSync(join(tmpdir(), "hone-trust-"))
  const results: Array<Result> = []
  const note = (result: Result) => {
    results.push(result)
    const { experiment, how, tool, what } = result
    console.log(
      `${experiments[experiment].padEnd(42)}${tool.padEnd(18)}${how === "failed" ? "failed" : words[how]}${what === "" ? "" : `: ${what}`}`
    )
  }
  try {
    for (const experiment of Object.keys(experiments) as ReadonlyArray<Name>) {
      if (values.only !== undefined && values.only !== experiment) continue
      note({ experiment, tool: "Hone", ...(await settled(() => onHone[experiment](undefined, base))) })
      for (const peer of installed)
        note({ experiment, tool: peer.name, ...(await settled(() => onPeer[experiment](peer, base))) })
    }
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
  console.log(`\n${table(results)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}
