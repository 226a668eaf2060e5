import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Sources of what a user runs: the packages without their tests, and the scripts. */
const sources = ["packages", "scripts"].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: "utf8" })
    .map((name) => join(top, name))
    .filter(
      (name) =>
        /\.(?:ts|mjs|js)$/u.test(name) &&
        !/node_modules|runner[\\/]bundle|[\\/]dist[\\/]|\.test\.|[\\/]testing[\\/]/u.test(name)
    )
)

/** What hands a text to a shell, or runs a text as code. */
const forbidden: Readonly<Record<string, RegExp>> = {
  "a shell": /\bshell:\s*(?!false)|\bexecSync\(|(?<![.\w])exec\(|["'](?:\/bin\/)?(?:ba|z|da)?sh["']/u,
  "code from a text": /(?<![.\w])eval\(|\bnew Function\(|\bnode:vm\b|runInThisContext|runInNewContext/u
}

it("no shell is ever given a text, and no text is run as code", () => {
  expect(sources.length).toBeGreaterThan(200)
  const found = sources.flatMap((name) => {
    const text = readFileSync(join(root, name), "utf8")
    return Object.entries(forbidden).flatMap(([what, pattern]) =>
      text.split("\n").flatMap((line, at) => (pattern.test(line) ? [`${name}:${at + 1}: ${what}: ${line.trim()}`] : []))
    )
  })
  // Set-up ties a child's life to its own by a line of sh that never changes; command and arguments are handed over beside it.
  expect(found).toEqual([
    expect.stringMatching(/^scripts\/setup\/child\.mjs:\d+: a shell: .*\["-c", tied, "sh", command, \.\.\.args\]/u)
  ])
})

it("what is imported by a computed name is named by the code, not by a pipeline", () => {
  const computed = sources
    .filter((name) => name.startsWith("packages"))
    .flatMap((name) => {
      const text = readFileSync(join(root, name), "utf8")
      return [...text.matchAll(/\bimport\((?!["'])[^)]*\)/gu)].map(([call]) => `${name}: ${call}`)
    })
  expect(computed).toEqual([])
})
