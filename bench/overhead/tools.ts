import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { root } from "../machine.ts"
import { installPeer, type PeerName } from "../peers/install.ts"
import type { Timed } from "./cpu.ts"
import { writeTrivial } from "./pipelines.ts"

/** A tool with a graph of so many trivial steps of its own kind. */
export interface Tool {
  readonly name: string
  /** Writes the graph into an empty folder. */
  readonly write: (folder: string, steps: number) => void
  readonly run: (folder: string) => Omit<Timed, "limit">
  /** Deletes what the steps made, and leaves the tool's own cache. */
  readonly forget: (folder: string, steps: number) => void
}

const json = (path: string, value: unknown): void => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)

const numbers = (steps: number) => Array.from({ length: steps }, (_, at) => at)

const packages = (folder: string, steps: number, each: (place: string, name: string) => void): void => {
  for (const at of numbers(steps)) {
    const place = join(folder, "packages", `p${at}`)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, "in.txt"), `the text of step ${at}\n`)
    each(place, `p${at}`)
  }
}

const forgetPackages = (folder: string, steps: number): void => {
  for (const at of numbers(steps)) rmSync(join(folder, "packages", `p${at}`, "out.txt"), { force: true })
}

const hone: Tool = {
  name: "Hone",
  write: (folder, steps) => {
    writeFileSync(join(folder, "hone.yaml"), "")
    writeTrivial(folder, steps)
  },
  run: (folder) => ({ command: join(root, "hone"), args: ["run", "trivial.yaml"], cwd: folder }),
  // Results lie in the store alone: there is no copy of them to bring back, and what is deleted is made again.
  forget: (folder) => rmSync(join(folder, ".hone", "cas"), { recursive: true })
}

const turbo = (command: string, version: string): Tool => ({
  name: `turbo ${version}`,
  write: (folder, steps) => {
    json(join(folder, "package.json"), { name: "trivial", packageManager: "npm@10.0.0", workspaces: ["packages/*"] })
    json(join(folder, "turbo.json"), { tasks: { build: { inputs: ["in.txt"], outputs: ["out.txt"] } } })
    packages(folder, steps, (place, name) =>
      json(join(place, "package.json"), { name, version: "1.0.0", scripts: { build: "cp in.txt out.txt" } })
    )
  },
  run: (folder) => ({
    command,
    args: ["run", "build", "--output-logs=none", "--no-daemon"],
    cwd: folder,
    env: { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" }
  }),
  forget: forgetPackages
})

const nx = (command: string, version: string): Tool => ({
  name: `nx ${version}`,
  write: (folder, steps) => {
    json(join(folder, "package.json"), { name: "trivial", private: true })
    json(join(folder, "nx.json"), { neverConnectToCloud: true, analytics: false })
    symlinkSync(join(dirname(dirname(command))), join(folder, "node_modules"))
    packages(folder, steps, (place, name) =>
      json(join(place, "project.json"), {
        name,
        targets: {
          build: {
            command: "cp in.txt out.txt",
            options: { cwd: "{projectRoot}" },
            cache: true,
            inputs: ["{projectRoot}/in.txt"],
            outputs: ["{projectRoot}/out.txt"]
          }
        }
      })
    )
  },
  run: (folder) => ({
    command,
    args: ["run-many", "-t", "build", "--output-style=static"],
    cwd: folder,
    env: { NX_DAEMON: "false", NX_NO_CLOUD: "true" }
  }),
  forget: forgetPackages
})

const dvc = (command: string, version: string): Tool => ({
  name: `dvc ${version}`,
  write: (folder, steps) => {
    mkdirSync(join(folder, ".dvc"))
    writeFileSync(join(folder, ".dvc", "config"), "[core]\n    no_scm = true\n    analytics = false\n")
    const stages = numbers(steps).map((at) => {
      writeFileSync(join(folder, `in${at}.txt`), `the text of step ${at}\n`)
      return `  s${at}:\n    cmd: cp in${at}.txt out${at}.txt\n    deps: [in${at}.txt]\n    outs: [out${at}.txt]\n`
    })
    writeFileSync(join(folder, "dvc.yaml"), `stages:\n${stages.join("")}`)
  },
  run: (folder) => ({ command, args: ["repro", "-q"], cwd: folder, env: { DVC_NO_ANALYTICS: "1" } }),
  forget: (folder, steps) => {
    for (const at of numbers(steps)) rmSync(join(folder, `out${at}.txt`), { force: true })
  }
})

const peers = { turbo, nx, dvc } satisfies Partial<Record<PeerName, (command: string, version: string) => Tool>>

/** Hone, and each peer that can be installed here; why one cannot is told. */
export const tools = (tell: (line: string) => void): ReadonlyArray<Tool> => [
  hone,
  ...(Object.keys(peers) as ReadonlyArray<keyof typeof peers>).flatMap((name) => {
    const installed = installPeer(name)
    if ("missing" in installed) return (tell(installed.missing), [])
    return [peers[name](installed.command, installed.version)]
  })
]
