// Preloaded into the command and into its workers (`NODE_OPTIONS=--import`): sees every call that changes the store, in the process
// that makes it, and lets it fail, kills the process there, or stops it. `faulty.ts` asks for it by HONE_TEST_FAULTS.
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

/** What a test asks for. */
export interface Faults {
  /** The folder whose changes are seen: `.hone`. */
  readonly store: string
  /** A file that gets a line of JSON, a `Call`, for each change. */
  readonly trace?: string
  /** Whether the trace has the bytes that were written. */
  readonly data?: boolean
  /** The first call that fits this... */
  readonly at?: {
    readonly who?: Call["who"]
    readonly call?: string
    /** A regular expression over the path below the store. */
    readonly path?: string
    /** The how manieth of those that fit, from 1. */
    readonly nth?: number
  }
  /** ...meets this: an error of the system by its code, a kill before the call, or a stop before it (until SIGCONT). */
  readonly then?: string
  /** Milliseconds by which the clock is wrong, a number for each second that passes; the last holds. */
  readonly clock?: ReadonlyArray<number>
}

/** A call that changes the store, as the trace has it. */
export interface Call {
  readonly who: "runner" | "worker"
  readonly call: string
  readonly path: string
  /** The other path of a rename or link. */
  readonly to?: string
  /** Base64 of what was written. */
  readonly data?: string
}

const faults = JSON.parse(process.env["HONE_TEST_FAULTS"] ?? "null") as Faults | null
const who = process.argv[1]?.endsWith("worker.mjs") === true ? "worker" : "runner"

/** The calls that change something, with the place of the path among their arguments; -1 for those that take a descriptor. */
const changing = {
  openSync: 0,
  writeSync: -1,
  writeFileSync: 0,
  copyFileSync: 1,
  appendFileSync: 0,
  mkdirSync: 0,
  mkdtempSync: 0,
  renameSync: 0,
  linkSync: 0,
  unlinkSync: 0,
  rmSync: 0,
  chmodSync: 0,
  utimesSync: 0,
  fsyncSync: -1,
  closeSync: -1
} as const
type Name = keyof typeof changing

const real = { ...fs }
const opened = new Map<number, string>()
let seen = 0

const below = (store: string, path: unknown): string | undefined => {
  const text = path instanceof URL ? fileURLToPath(path) : String(path)
  return text === store || text.startsWith(store + sep) ? relative(store, text) : undefined
}

const bytesOf = (value: unknown, args: ReadonlyArray<unknown>): Buffer => {
  if (typeof value === "string") return Buffer.from(value)
  const bytes = value as Uint8Array
  const [, , offset = 0, length = bytes.byteLength] = args as [unknown, unknown, number?, number?]
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(offset, offset + length)
}

const fits = ({ at }: Faults, call: Call): boolean => {
  if (at === undefined || (at.who ?? who) !== who || (at.call ?? call.call) !== call.call) return false
  if (at.path !== undefined && !new RegExp(at.path, "u").test(call.path)) return false
  seen += 1
  return seen === (at.nth ?? 1)
}

const meet = (then: string, call: Call): void => {
  if (then === "kill") process.kill(process.pid, "SIGKILL")
  else if (then === "stop") process.kill(process.pid, "SIGSTOP")
  else
    throw Object.assign(new Error(`${then}: made by a test, ${call.call} '${call.path}'`), {
      code: then,
      syscall: call.call
    })
}

const note = (asked: Faults, call: Call): void => {
  if (asked.trace !== undefined) real.appendFileSync(asked.trace, `${JSON.stringify(call)}\n`)
  if (asked.then !== undefined && fits(asked, call)) meet(asked.then, call)
}

const watched = (asked: Faults, name: Name) => {
  const place = changing[name]
  const original = real[name] as (...args: ReadonlyArray<unknown>) => unknown
  return (...args: ReadonlyArray<unknown>): unknown => {
    const onFd = place === -1 || typeof args[place] === "number"
    const path = onFd ? opened.get(args[0] as number) : below(asked.store, args[place])
    const reads = name === "openSync" && !/[wa+]/u.test(String(args[1] ?? "r"))
    if (path === undefined) return original(...args)
    if (reads) {
      // A folder or file is opened to be synced.
      const fd = original(...args) as number
      opened.set(fd, path)
      return fd
    }
    if (name === "closeSync") {
      opened.delete(args[0] as number)
      return original(...args)
    }
    const to = name === "renameSync" || name === "linkSync" ? below(asked.store, args[1]) : undefined
    const writes = name === "writeSync" || name === "writeFileSync"
    const data =
      writes && asked.data === true ? bytesOf(args[1], name === "writeSync" ? args : []).toString("base64") : undefined
    note(asked, { who, call: name, path, ...(to === undefined ? {} : { to }), ...(data === undefined ? {} : { data }) })
    const result = original(...args)
    if (name === "openSync") opened.set(result as number, path)
    return result
  }
}

const turnClock = (offsets: ReadonlyArray<number>): void => {
  const start = performance.now()
  const RealDate = Date
  const now = () => {
    const second = Math.min(offsets.length - 1, Math.floor((performance.now() - start) / 1000))
    return RealDate.now() + offsets[second]!
  }
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: [], self: typeof Date) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, self) as object,
    get: (target, key) => (key === "now" ? now : (Reflect.get(target, key) as unknown))
  })
}

if (faults !== null) {
  for (const name of Object.keys(changing) as Array<Name>) Object.assign(fs, { [name]: watched(faults, name) })
  syncBuiltinESMExports()
  if (faults.clock !== undefined) turnClock(faults.clock)
}
