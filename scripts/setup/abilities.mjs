// What a TensorFlow library must be able to do: the functions and operations that the engines use, read from their sources.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./places.mjs"

const oldest = [2, 9]
const newest = [2, 21]
const engines = join(root, "packages", "nn", "src", "engines")

/** Why a version is not taken, or undefined. Those between were built of the same C API; others are not known here. */
export function unfitVersion(version) {
  const [major, minor] = version.split(".").map(Number)
  const at = ([a, b]) => 1000 * a + b
  const isKnown = at([major, minor]) >= at(oldest) && at([major, minor]) <= at(newest)
  return isKnown ? undefined : `TensorFlow ${version}; ${oldest.join(".")} to ${newest.join(".")} are taken`
}

/** Names of the C functions that the engines declare. */
export function neededFunctions() {
  const text = ["capi.ts", "tensorflowLibrary.ts"].map((name) => readFileSync(join(engines, name), "utf8")).join("\n")
  return [...new Set(Array.from(text.matchAll(/\b(TF_[A-Z][a-z]\w*)(?=\(|")/g), ([, name]) => name))].sort()
}

/** Names of the operations that programs are lowered to. Needs a Node that reads TypeScript. */
export async function neededOperations() {
  const { primitives } = await import(join(root, "packages", "nn", "src", "primitives.ts"))
  return Object.keys(primitives)
}

/** Names in a serialized OpList: repeated OpDef 1, whose name is field 1 and written first. Source: tensorflow/core/framework/op_def.proto. */
export function operationNames(bytes) {
  const names = new Set()
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== 0x0a) throw new Error("the library's list of operations cannot be read")
    const { value: length, next } = varint(bytes, at + 1)
    if (bytes[next] === 0x0a) {
      const name = varint(bytes, next + 1)
      names.add(Buffer.from(bytes.subarray(name.next, name.next + name.value)).toString("utf8"))
    }
    at = next + length
  }
  return names
}

function varint(bytes, start) {
  let value = 0
  let at = start
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++]
    value += (byte & 127) * scale
    if (byte < 128 || byte === undefined) return { value, next: at }
  }
}
