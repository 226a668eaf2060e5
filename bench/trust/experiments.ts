import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { isTampered, type Command, type Peer, type Place, tamper } from "./peers.ts"

/**
 * What a tool did in an experiment: `right`; `wrong` where what it serves is not the result of what lies there; `again` where it does needless
 * work, `locked` where it does nothing until somebody unlocks it, `silent` where it replaces a result by another and does not say so.
 */
export interface Verdict {
  readonly how: "right" | "wrong" | "again" | "locked" | "silent"
  readonly what: string
}

export type Experiment<T> = (tool: T, base: string) => Promise<Verdict>

const limitMillis = 60_000

/** Waits for a file; throws where it does not come. */
export const fileAt = async (path: string): Promise<string> => {
  for (const end = performance.now() + limitMillis; !existsSync(path); await sleep(5)) {
    if (performance.now() > end) throw new Error(`waited in vain for ${path}`)
  }
  return path
}

const put = (path: string, text: string): void => {
  mkdirSync(join(path, ".."), { recursive: true })
  writeFileSync(path, text)
}

/** The steps; each has a folder. */
const outs = ["first", "second", "pair"]

class Trial {
  readonly #peer: Peer
  readonly #place: Place

  constructor(peer: Peer, base: string) {
    this.#peer = peer
    this.#place = { folder: mkdtempSync(join(base, "place-")), signals: mkdtempSync(join(base, "signals-")) }
    for (const name of outs) mkdirSync(join(this.#place.folder, name))
    this.input("old")
    put(join(this.#place.folder, "pair", "a.txt"), "a")
    put(join(this.#place.folder, "pair", "b.txt"), "b")
    put(join(this.#place.signals, "ran"), "")
    peer.write(this.#place, false)
  }

  /** The first line is what `first` makes its result of. */
  input(text: string): void {
    put(join(this.#place.folder, "first", "in.txt"), `${text}\n`)
  }

  swap(): void {
    this.#peer.write(this.#place, true)
  }

  tamper(): void {
    tamper(this.#peer, this.#place)
  }

  output(name: string): string {
    const path = join(this.#place.folder, name, "out.txt")
    return existsSync(path) ? readFileSync(path, "utf8") : "(nothing)"
  }

  forget(): void {
    for (const name of outs) rmSync(join(this.#place.folder, name, "out.txt"), { force: true })
  }

  signal(name: string): void {
    put(join(this.#place.signals, name), "")
  }

  unsignal(name: string): void {
    rmSync(join(this.#place.signals, name), { force: true })
  }

  /** Waits until the held step of an attempt has come to a phase; gives its process. */
  async reached(attempt: number, phase: string): Promise<number> {
    const path = await fileAt(join(this.#place.signals, `first-${attempt}-${phase}`))
    await sleep(20)
    return Number(readFileSync(path, "utf8"))
  }

  go(attempt: number, ...phases: ReadonlyArray<string>): void {
    for (const phase of phases) this.signal(`go-first-${attempt}-${phase}`)
  }

  ranSince(count: number): ReadonlyArray<string> {
    return readFileSync(join(this.#place.signals, "ran"), "utf8").split("\n").slice(count, -1)
  }

  get ran(): number {
    return this.ranSince(0).length
  }

  start(command: Command = this.#peer.run(this.#place)) {
    const child = spawn(command.command, [...command.args], {
      cwd: this.#place.folder,
      env: { ...process.env, NO_COLOR: "1", CI: "1", ...command.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (said += text))
    const ended = new Promise<{ code: number | null; said: string }>((resolve) => {
      child.once("exit", (code) => setTimeout(() => resolve({ code, said }), 50))
    })
    return { pid: child.pid!, ended }
  }

  async run(): Promise<{ readonly code: number | null; readonly said: string }> {
    return this.start().ended
  }

  force() {
    return this.start(this.#peer.force(this.#place)).ended
  }
}

const judge = (got: string, wanted: string): Verdict =>
  got === wanted ? { how: "right", what: "" } : { how: "wrong", what: `serves "${got}" where "${wanted}" is right` }

/** An input is edited while the step runs: before it reads, and put back afterwards; or after it has read. */
export const edited: Experiment<Peer> = async (peer, base) => {
  const early = new Trial(peer, base)
  early.signal("hold-first")
  const running = early.start()
  await early.reached(1, "read")
  early.input("new")
  early.go(1, "read", "write", "end")
  await running.ended
  early.unsignal("hold-first")
  early.input("old")
  await early.run()
  const first = judge(early.output("first"), "first of old")

  const late = new Trial(peer, base)
  late.signal("hold-first")
  const second = late.start()
  late.go(1, "read")
  await late.reached(1, "write")
  late.input("new")
  late.go(1, "write", "end")
  await second.ended
  late.unsignal("hold-first")
  await late.run()
  return first.how === "wrong" ? first : judge(late.output("first"), "first of new")
}

/** The two inputs of a step are swapped. */
export const swapped: Experiment<Peer> = async (peer, base) => {
  const trial = new Trial(peer, base)
  await trial.run()
  trial.swap()
  trial.forget()
  const { code, said } = await trial.run()
  if (code !== 0) throw new Error(`it ended with code ${code}: ${said.slice(-300)}`)
  return judge(trial.output("pair"), "pair of b and a")
}

/** A stored result is changed, what it was copied to is deleted, and it is asked for again. */
export const tamperedWith: Experiment<Peer> = async (peer, base) => {
  const trial = new Trial(peer, base)
  await trial.run()
  trial.tamper()
  trial.forget()
  const { code } = await trial.run()
  const got = trial.output("first")
  if (isTampered(got)) return { how: "wrong", what: "serves the tampered result" }
  return code === 0 ? judge(got, "first of old") : { how: "right", what: "refuses it" }
}

/** A step runs again, and what it makes is what it was. */
export const sameAgain: Experiment<Peer> = async (peer, base) => {
  const trial = new Trial(peer, base)
  await trial.run()
  const before = trial.ran
  trial.input("old\nand a line that does not count")
  await trial.run()
  const ran = trial.ranSince(before)
  if (!ran.includes("first")) return { how: "wrong", what: "does not see the edit" }
  return ran.includes("second") ? { how: "again", what: "runs what follows again" } : { how: "right", what: "" }
}

const parentOf = (pid: number): number | undefined => {
  try {
    return Number(/\) \w (\d+)/u.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1])
  } catch {
    return undefined
  }
}

/** A tool's processes, without the step's own and the shells between. */
const runnersOf = (tool: number, step: number): ReadonlyArray<number> => {
  const above = (pid: number): ReadonlyArray<number> => {
    const parent = parentOf(pid)
    return parent === undefined || parent <= 1 ? [] : [parent, ...above(parent)]
  }
  const shells = above(step).filter((pid) => /^(?:\/\S*\/)?(?:ba|da)?sh\0/u.test(commandOf(pid)))
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/u.test(name) ? [Number(name)] : []))
  return [tool, ...all.filter((pid) => above(pid).includes(tool))].filter(
    (pid) => pid !== step && !shells.includes(pid)
  )
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    return ""
  }
}

/** The tool is killed; its step lives on, and writes what it read of the old input while the next run makes the new result. */
export const orphaned: Experiment<Peer> = async (peer, base) => {
  const trial = new Trial(peer, base)
  trial.signal("hold-first")
  const running = trial.start()
  trial.go(1, "read")
  const orphan = await trial.reached(1, "write")
  for (const pid of runnersOf(running.pid, orphan)) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // It ended with another.
    }
  }
  await running.ended
  trial.input("new")
  trial.go(2, "read", "write")
  const again = trial.start()
  const refused = await Promise.race([again.ended, trial.reached(2, "end").then(() => undefined)])
  trial.go(1, "write", "end")
  if (refused !== undefined) return { how: "locked", what: "does not run again until somebody unlocks it" }
  while (commandOf(orphan) !== "") await sleep(5)
  trial.go(2, "end")
  await again.ended
  trial.unsignal("hold-first")
  await trial.run()
  return judge(trial.output("first"), "first of new")
}

/** A step that gives another result each time is made to run again. */
export const unsteady: Experiment<Peer> = async (peer, base) => {
  const trial = new Trial(peer, base)
  trial.signal("unsteady")
  await trial.run()
  const [first, second] = [trial.output("first"), trial.output("second")]
  const { said } = await trial.force()
  const isTold = /differ|drift|non-?determin/iu.test(said)
  if (trial.output("first") === first) return { how: "right", what: "" }
  const flips = trial.output("second") === second ? "" : ", what follows flips"
  return isTold
    ? { how: "right", what: "the second result replaces the first, and it is told" }
    : { how: "silent", what: `the second result replaces the first${flips}` }
}
