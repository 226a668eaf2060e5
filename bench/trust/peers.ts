import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import type { PeerName } from "../peers/install.ts"

/** A command with its place and what is added to the environment. */
export interface Command {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/**
 * A tool with three steps of its kind in a folder: `first` reads `first/in.txt`, `second` reads what it wrote, and `pair` reads
 * `pair/a.txt` as its training text and `pair/b.txt` as its test text, or the other way round. Each writes its `out.txt`.
 */
export interface Peer {
  readonly name: string
  readonly write: (place: Place, isSwapped: boolean) => void
  readonly run: (place: Place) => Command
  /** Runs `first` again although nothing changed, and whatever then has to follow. */
  readonly force: (place: Place) => Command
  /** Where it keeps results. */
  readonly cache: string
}

export interface Place {
  readonly folder: string
  /** Outside of the folder, so that no tool takes it for an input. */
  readonly signals: string
}

const program = fileURLToPath(new URL("./step.mjs", import.meta.url))

const step = ({ signals }: Place, name: string, output: string, ...inputs: ReadonlyArray<string>): string =>
  [process.execPath, program, name, signals, output, ...inputs].join(" ")

const json = (path: string, value: unknown): void => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)

const sides = (isSwapped: boolean): [string, string] => (isSwapped ? ["b.txt", "a.txt"] : ["a.txt", "b.txt"])

/** What a step of each package runs, in the package's folder. */
const packageSteps = (place: Place, isSwapped: boolean): Readonly<Record<string, string>> => ({
  first: step(place, "first", "out.txt", "in.txt"),
  second: step(place, "second", "out.txt", "../first/out.txt"),
  pair: step(place, "pair", "out.txt", ...sides(isSwapped))
})

const turbo = (command: string, version: string): Peer => {
  const env = { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" }
  const args = ["run", "build", "--output-logs=none"]
  const task = { inputs: ["*.txt", "!out.txt", "package.json"], outputs: ["out.txt"] }
  return {
    name: `turbo ${version}`,
    write: (place, isSwapped) => {
      const at = (...path: ReadonlyArray<string>) => join(place.folder, ...path)
      const steps = packageSteps(place, isSwapped)
      json(at("package.json"), { name: "trust", packageManager: "npm@10.0.0", workspaces: Object.keys(steps) })
      json(at("turbo.json"), { tasks: { build: task, "second#build": { ...task, dependsOn: ["first#build"] } } })
      for (const [name, build] of Object.entries(steps))
        json(at(name, "package.json"), { name, version: "1.0.0", scripts: { build } })
    },
    run: () => ({ command, args, env }),
    force: () => ({ command, args: [...args, "--force"], env }),
    cache: ".turbo/cache"
  }
}

const nx = (command: string, version: string): Peer => {
  const env = { NX_DAEMON: "false", NX_NO_CLOUD: "true" }
  const args = ["run-many", "-t", "build", "--output-style=static"]
  return {
    name: `nx ${version}`,
    write: (place, isSwapped) => {
      const at = (...path: ReadonlyArray<string>) => join(place.folder, ...path)
      json(at("package.json"), { name: "trust", private: true })
      json(at("nx.json"), { neverConnectToCloud: true, analytics: false })
      if (!existsSync(at("node_modules"))) symlinkSync(dirname(dirname(command)), at("node_modules"))
      for (const [name, build] of Object.entries(packageSteps(place, isSwapped))) {
        const isSecond = name === "second"
        const inputs = ["{projectRoot}/*.txt", "!{projectRoot}/out.txt"]
        const target = {
          command: build,
          options: { cwd: "{projectRoot}" },
          cache: true,
          inputs: isSecond ? [...inputs, "^default"] : inputs,
          outputs: ["{projectRoot}/out.txt"],
          dependsOn: isSecond ? ["^build"] : []
        }
        json(at(name, "project.json"), {
          name,
          implicitDependencies: isSecond ? ["first"] : [],
          namedInputs: { default: inputs },
          targets: { build: target }
        })
      }
    },
    run: () => ({ command, args, env }),
    force: () => ({ command, args: [...args, "--skip-nx-cache"], env }),
    cache: ".nx"
  }
}

const dvc = (command: string, version: string): Peer => {
  const env = { DVC_NO_ANALYTICS: "1" }
  return {
    name: `dvc ${version}`,
    write: (place, isSwapped) => {
      const at = (...path: ReadonlyArray<string>) => join(place.folder, ...path)
      mkdirSync(at(".dvc"), { recursive: true })
      writeFileSync(at(".dvc/config"), "[core]\n    no_scm = true\n    analytics = false\n")
      const stage = (name: string, ...inputs: ReadonlyArray<string>) =>
        `  ${name}:\n    cmd: ${step(place, name, `${name}/out.txt`, ...inputs)}\n    deps: [${inputs.join(", ")}]\n    outs: [${name}/out.txt]\n`
      const pair = sides(isSwapped).map((side) => `pair/${side}`)
      const stages = [stage("first", "first/in.txt"), stage("second", "first/out.txt"), stage("pair", ...pair)]
      writeFileSync(at("dvc.yaml"), `stages:\n${stages.join("")}`)
    },
    run: () => ({ command, args: ["repro", "-q"], env }),
    force: () => ({ command, args: ["repro", "-q", "-f"], env }),
    cache: ".dvc/cache"
  }
}

const snakemake = (command: string, version: string): Peer => {
  const env = (place: Place) => ({ SNAKEMAKE_OUTPUT_CACHE: join(place.folder, "cache"), XDG_CACHE_HOME: place.signals })
  const args = ["-c2", "-q", "all", "--cache"]
  return {
    name: `snakemake ${version}`,
    write: (place, isSwapped) => {
      mkdirSync(join(place.folder, "cache"), { recursive: true })
      const rule = (name: string, inputs: string, given: ReadonlyArray<string>) =>
        `rule ${name}:\n    input: ${inputs}\n    output: "${name}/out.txt"\n    cache: True\n    shell: "${step(place, name, "{output}", ...given)}"\n`
      const [train, test] = sides(isSwapped)
      const pair = rule("pair", `train="pair/${train}", test="pair/${test}"`, ["{input.train}", "{input.test}"])
      const rules = [
        'rule all:\n    input: "second/out.txt", "pair/out.txt"\n',
        rule("first", '"first/in.txt"', ["{input}"]),
        rule("second", '"first/out.txt"', ["{input}"]),
        pair
      ]
      writeFileSync(join(place.folder, "Snakefile"), rules.join("\n"))
    },
    run: (place) => ({ command, args, env: env(place) }),
    force: (place) => ({ command, args: [...args, "-R", "first"], env: env(place) }),
    cache: "cache"
  }
}

export const peers: Readonly<Record<PeerName, (command: string, version: string) => Peer>> = {
  turbo,
  nx,
  dvc,
  snakemake
}

const said = Buffer.from("first of ")
const tampered = Buffer.from("FORGED - ")

/** In the stored results of a peer, lets `first of ` be other text of the same length. Packed ones are packed again. */
export const tamper = (peer: Peer, { folder }: Place): void => {
  const files = readdirSync(join(folder, peer.cache), { recursive: true, withFileTypes: true })
  for (const entry of files.filter((file) => file.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const isPacked = path.endsWith(".zst")
    const bytes = isPacked ? zstdDecompressSync(readFileSync(path)) : readFileSync(path)
    const at = bytes.indexOf(said)
    // Only a result: what a tool notes about it may hold the same words.
    if (at < 0 || (!isPacked && at > 0)) continue
    tampered.copy(bytes, at)
    chmodSync(path, 0o644)
    writeFileSync(path, isPacked ? zstdCompressSync(bytes) : bytes)
  }
}

export const isTampered = (text: string): boolean => text.includes(tampered.toString())
