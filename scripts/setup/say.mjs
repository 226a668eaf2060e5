// What set-up tells a person. On stderr, so that stdout stays the command's own.

/** One line. */
export function say(line) {
  clear()
  process.stderr.write(`set-up: ${line}\n`)
}

/** Bytes in a person's units: 274 MB, 1.2 GB. */
export function size(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`
}

let shown = false

function clear() {
  if (shown) process.stderr.write("\r\x1b[K")
  shown = false
}

/**
 * Progress of something measured in bytes: a line that rewrites itself on a terminal, a line every few seconds elsewhere.
 *
 * @param what what is being done, for the person
 * @param total bytes expected
 */
export function progress(what, total) {
  const began = Date.now()
  let last = began
  return (done) => {
    const now = Date.now()
    const quiet = process.stderr.isTTY ? 200 : 5000
    if (now - last < quiet) return
    last = now
    const perSecond = (done * 1000) / Math.max(1, now - began)
    // Before the first percent a rate says nothing.
    const rate = `, ${size(perSecond)}/s, ${Math.ceil(Math.max(0, total - done) / perSecond)} s left`
    const text = `${what}: ${size(Math.min(done, total))} of ${size(total)}${done > total / 100 ? rate : ""}`
    if (!process.stderr.isTTY) return say(text)
    process.stderr.write(`\r\x1b[Kset-up: ${text}`)
    shown = true
  }
}

/** Asks on the terminal; without one the answer is no. */
export async function consent(question) {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false
  const { createInterface } = await import("node:readline/promises")
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question(`set-up: ${question} [y/N] `)
  lines.close()
  return /^y(es)?$/i.test(answer.trim())
}
