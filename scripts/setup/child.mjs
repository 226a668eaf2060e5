// Child processes of set-up: they end when set-up ends, and their last words are kept for the reason of a failure.
import { spawn } from "node:child_process"
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

/**
 * Runs a program to its end.
 *
 * @param options `cwd`, `env`; `onTick` is called every 200 ms; `show` passes its output through to stderr
 * @returns `{ ok, code, stdout, text }`: `text` the end of all it printed, on one line
 */
export function runChild(command, args, options = {}) {
  const { cwd = root, env = process.env, onTick, show = false } = options
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
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
    child.once("error", (error) => end(false, undefined, error.message))
    child.once("close", (code, signal) => end(code === 0, code, signal ? `ended by ${signal}` : essence(tail)))
  })
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
