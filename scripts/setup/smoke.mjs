// Loads a TensorFlow library, and the addon if one is given, in a process of its own, and adds two numbers with it.
// Prints one line of JSON: { version, gpu }. A library that crashes (an instruction this CPU lacks) ends only this process.
// Before that it holds the library against what the engines need: its version, functions and operations.
// Usage: node smoke.mjs LIBRARY_FILE [ADDON_FILE]
import { createRequire } from "node:module"
import { constants } from "node:os"
import { join } from "node:path"
import { neededFunctions, neededOperations, operationNames, unfitVersion } from "./abilities.mjs"
import { root } from "./places.mjs"

const require = createRequire(join(root, "packages", "nn", "package.json"))
const [library, addon] = process.argv.slice(2)

keepLoaded(library)
const native = require("koffi").load(library)
if (!has("TF_Version")) refuse("this is no TensorFlow: it has no function TF_Version")
const version = native.func("const char* TF_Version()")()
await requireAbilities()
if (addon) sumThroughAddon(addon)
console.log(JSON.stringify({ version, gpu: hasGpu() }))

/** Fails with all that is missing, so that a person need not find out one by one. */
async function requireAbilities() {
  const unfit = unfitVersion(version)
  if (unfit) refuse(unfit)
  const functions = [...neededFunctions(), "TF_GetAllOpList"].filter((name) => !has(name))
  if (functions.length > 0) refuse(`TensorFlow ${version} lacks the functions ${functions.join(", ")}`)
  const known = operationNames(allOperations())
  const operations = (await neededOperations()).filter((name) => !known.has(name))
  if (operations.length > 0) refuse(`TensorFlow ${version} lacks the operations ${operations.join(", ")}`)
}

function refuse(reason) {
  console.error(`error: ${reason}`)
  process.exit(1)
}

function has(name) {
  try {
    native.func(`void ${name}()`)
    return true
  } catch {
    return false
  }
}

/** Bytes of the OpList; the buffer is { void* data, size_t length, ... }. */
function allOperations() {
  const koffi = require("koffi")
  const buffer = native.func("void* TF_GetAllOpList()")()
  const { data, length } = koffi.decode(buffer, koffi.struct({ data: "void*", length: "size_t" }))
  return new Uint8Array(koffi.view(data, Number(length)))
}

/** Whether a session would find a GPU: a driver alone is not enough, every CUDA library must load. */
function hasGpu() {
  const status = native.func("void* TF_NewStatus()")()
  const graph = native.func("void* TF_NewGraph()")()
  const options = native.func("void* TF_NewSessionOptions()")()
  const session = native.func("void* TF_NewSession(void* graph, void* options, void* status)")(graph, options, status)
  const devices = native.func("void* TF_SessionListDevices(void* session, void* status)")(session, status)
  const count = native.func("int TF_DeviceListCount(void* list)")(devices)
  const type = native.func("const char* TF_DeviceListType(void* list, int index, void* status)")
  return Array.from({ length: count }, (_, index) => type(devices, index, status)).includes("GPU")
}

/**
 * Loads the library for the life of the process: Node closes what turns out to be no addon, and koffi closes it at exit
 * (where TensorFlow crashes), unless it was first opened with glibc's RTLD_NODELETE.
 */
function keepLoaded(file) {
  const noDelete = 0x1000
  try {
    process.dlopen({ exports: {} }, file, constants.dlopen.RTLD_NOW | noDelete)
  } catch (cause) {
    if (!/self-register/.test(cause.message)) throw cause
  }
}

function sumThroughAddon(file) {
  const loaded = { exports: {} }
  process.dlopen(loaded, file)
  const binding = loaded.exports
  const one = binding.createTensor([2], binding.TF_FLOAT, Float32Array.of(1, 2))
  const type = { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT }
  const [sum] = binding.executeOp("AddV2", [type], [one, one], 1)
  const values = Array.from(binding.tensorDataSync(sum.id))
  if (values.join() !== "2,4") throw new Error(`the addon adds [1, 2] and [1, 2] to [${values}]`)
}
