import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, expect, it } from "vitest"
import { extractEntry, readEntries } from "../../scripts/setup/zip.mjs"
import { temporaryFolder } from "./temporary.ts"
import { zipFile } from "./zipFile.ts"

const files = { "tensorflow/a.txt": "first ".repeat(10_000), "tensorflow/b/c.txt": "second" }

it("takes single files out of an archive", async () => {
  const folder = temporaryFolder()
  const archive = join(folder, "x.whl")
  writeFileSync(archive, zipFile(files))
  const entries = readEntries(archive)
  assert.deepStrictEqual(
    entries.map(({ name, size }) => [name, size]),
    [
      ["tensorflow/a.txt", 60_000],
      ["tensorflow/b/c.txt", 6]
    ]
  )
  for (const entry of entries) await extractEntry(archive, entry, join(folder, "out", entry.name))
  for (const [name, text] of Object.entries(files)) {
    assert.strictEqual(readFileSync(join(folder, "out", name), "utf8"), text)
  }
})

it("reads what Python's zipfile writes, stored and deflated", async () => {
  const folder = temporaryFolder()
  const archive = join(folder, "python.zip")
  // Made by: python3 -c 'import zipfile as z; f = z.ZipFile("x", "w"); f.writestr("s", "stored"); f.writestr("d", "d" * 40, z.ZIP_DEFLATED)'
  const bytes =
    "UEsDBBQAAAAAAAAAIQAL+UNWBgAAAAYAAAABAAAAc3N0b3JlZFBLAwQUAAAACAAAACEA5dLr3AYAAAAoAAAAAQAAAGRLSSEOAABQSwECFAMUAAAAAAAAACEAC/lDVgYAAAAGAAAAAQAAAAAAAAAAAAAAgAEAAAAAc1BLAQIUAxQAAAAIAAAAIQDl0uvcBgAAACgAAAABAAAAAAAAAAAAAACAASUAAABkUEsFBgAAAAACAAIAXgAAAEoAAAAAAA=="
  writeFileSync(archive, Buffer.from(bytes, "base64"))
  const texts = []
  for (const entry of readEntries(archive)) {
    await extractEntry(archive, entry, join(folder, entry.name))
    texts.push(readFileSync(join(folder, entry.name), "utf8"))
  }
  assert.deepStrictEqual(texts, ["stored", "d".repeat(40)])
})

it("refuses every archive that was cut short", () => {
  const folder = temporaryFolder()
  const archive = join(folder, "half.whl")
  const whole = zipFile(files)
  for (const length of [0, 10, Math.floor(whole.length / 2), whole.length - 1]) {
    writeFileSync(archive, whole.subarray(0, length))
    expect(() => readEntries(archive), `${length} bytes`).toThrow(/not a whole zip archive/)
  }
})

it("refuses an entry that unpacks to another size than announced", async () => {
  const folder = temporaryFolder()
  const archive = join(folder, "wrong.whl")
  writeFileSync(archive, zipFile(files))
  const [entry] = readEntries(archive)
  assert.isDefined(entry)
  await expect(extractEntry(archive, { ...entry, size: 7 }, join(folder, "out"))).rejects.toThrow(
    /60000 bytes and not to 7/
  )
})
