// Child processes of set-up: they end when set-up ends, and their last words are kept for the reason of a failure.
import { spawn } from "node:child_process"
import { constants } from "node:os"
import { delimiter, join } from "node:path"
import { root } from "./places.mjs"

const keptCharacters = 4000
const living = new Set()

process.once("exit", () => living.forEach((child) => child.kill("SIGTERM")))
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143]
]) {
  process.once(signal, () => process.exit(code))
}

// A program whose set-up was killed must not go on writing under the next one: its end of a pipe closes with set-up, however
// that ends, and a watcher, which waits in a builtin and so needs nothing on PATH, then kills the program.
const tied = `
"$@" </dev/null 3<&- & program=$!
{ read -r end <&3; kill -KILL $program; } 2>/dev/null & watcher=$!
wait $program; code=$?
kill $watcher 2>/dev/null
exit $code`

/**
 * Runs a program to its end, or to the end of set-up.
 *
 * @param options `cwd`, `env`; `onTick` is called every 200 ms; `show` passes its output through to stderr
 * @returns `{ ok, code, stdout, text }`: `text` the end of all it printed, on one line
 */
export function runChild(command, args, options = {}) {
  const { cwd = root, env = process.env, onTick, show = false } = options
  return new Promise((resolve) => {
    const child = spawn("/bin/sh", ["-c", tied, "sh", command, ...args], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe", "pipe"]
    })
    living.add(child)
    let stdout = ""
    let tail = ""
    const keep = (chunk) => {
      tail = (tail + chunk).slice(-keptCharacters)
      if (show) process.stderr.write(chunk)
    }
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      stdout = (stdout + chunk).slice(-1e6)
      keep(chunk)
    })
    child.stderr.setEncoding("utf8").on("data", keep)
    const ticking = onTick && setInterval(onTick, 200)
    const end = (ok, code, text) => {
      clearInterval(ticking)
      living.delete(child)
      resolve({ ok, code, stdout, text })
    }
    // Lets the watcher go; without it the pipe, and so the child, never closes.
    child.once("exit", () => child.stdio[3].destroy())
    child.once("error", (error) => end(false, undefined, error.message))
    child.once("close", (code) => end(code === 0, code, signalOf(code) ?? essence(tail)))
  })
}

/** A shell tells a program's end by a signal as 128 and its number. */
function signalOf(code) {
  const name = Object.keys(constants.signals).find((signal) => code === 128 + constants.signals[signal])
  return name && `ended by ${name}`
}

/** What says most: the first and the last line that name an error, else the last line. */
function essence(text) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
  const errors = lines.filter((line) => /error/i.test(line))
  if (errors.length === 0) return lines.at(-1) ?? "no output"
  return [...new Set([errors[0], errors.at(-1)])].join("; ")
}

/** The environment without this clone's node_modules/.bin: npm must not run on a Node that it is about to replace. */
export function hostEnvironment(env = process.env) {
  const own = join(root, "node_modules", ".bin")
  return {
    ...env,
    PATH: (env.PATH ?? "")
      .split(delimiter)
      .filter((folder) => folder !== own)
      .join(delimiter)
  }
}
