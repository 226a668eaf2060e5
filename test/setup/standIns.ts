import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { neededFunctions, neededOperations } from "../../scripts/setup/abilities.mjs"
import { writeFiles } from "./temporary.ts"

interface Library {
  readonly version: string
  /** Functions or operations that it does not have. */
  readonly without?: ReadonlyArray<string>
}

/** OpList { op { name } }: names are shorter than 126 bytes. */
const opList = (names: ReadonlyArray<string>): ReadonlyArray<number> =>
  names.flatMap((name) => [0x0a, name.length + 2, 0x0a, name.length, ...Buffer.from(name)])

/**
 * Compiles a library of a few kilobytes that has TensorFlow's functions and lists its operations, and does nothing; no GPU is among its devices.
 * False where there is no C compiler.
 */
export const compileLibrary = async (folder: string, { version, without = [] }: Library): Promise<boolean> => {
  const wanted = (name: string) => !without.includes(name)
  const operations = opList((await neededOperations()).filter(wanted))
  const spoken = ["TF_Version", "TF_GetAllOpList", "TF_DeviceListCount"]
  const functions = neededFunctions() as ReadonlyArray<string>
  const silent = functions.filter((name) => wanted(name) && !spoken.includes(name))
  const source = [
    "#include <stddef.h>",
    `const char* TF_Version(void) { return "${version}"; }`,
    `static const unsigned char operations[] = {${operations.join()}};`,
    "static struct { const void* data; size_t length; } list = { operations, sizeof operations };",
    "void* TF_GetAllOpList(void) { return &list; }",
    "int TF_DeviceListCount(void* devices) { return 0; }",
    ...silent.map((name) => `void* ${name}(void) { return 0; }`)
  ].join("\n")
  writeFiles(folder, { "stand-in.c": source, "libtensorflow_framework.so.2": "" })
  const target = join(folder, "libtensorflow_cc.so.2")
  const { status } = spawnSync("cc", ["-shared", "-fPIC", "-w", "-o", target, join(folder, "stand-in.c")])
  return status === 0
}

/** A shell script that is found on PATH under `name`. */
export const writeCommand = (folder: string, name: string, body: string): void => {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${body}\n`)
  chmodSync(file, 0o755)
}

/** A pip whose downloads are `download`, run with `$dest` set to the folder that it is to fill. */
export const writePip = (folder: string, download: string): void =>
  writeCommand(
    folder,
    "python3",
    `case "$*" in *--version*) exit 0;; *-c*find_spec*) exit 0;; esac
while [ $# -gt 0 ]; do [ "$1" = --dest ] && dest=$2; shift; done
${download}`
  )
