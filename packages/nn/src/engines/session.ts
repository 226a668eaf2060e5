import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Tensor } from "../graph/Graph.ts"
import type { Program, Values } from "../graph/Program.ts"
import { savedModel, tensorflowType } from "../lower/graphDef.ts"
import { configProto, type SessionConfig } from "./configProto.ts"
import {
  bindFeeds,
  type Engine,
  EngineFailure,
  EngineUnavailable,
  functionOf,
  readOf,
  type Session,
  type VariableValues,
  writeOf
} from "./Engine.ts"
import { type KoffiLibrary, loadTensorflow, type TensorflowLocation, tensorflowNumerics } from "./tensorflowLibrary.ts"

/** The part of @tensorflow/tfjs-node-gpu's addon that is used: tensors by number, and runs of a loaded SavedModel. */
interface Binding {
  readonly createTensor: (shape: ReadonlyArray<number>, dtype: number, values: Values) => number
  readonly deleteTensor: (id: number) => void
  readonly tensorDataSync: (id: number) => Values
  readonly loadSavedModel: (folder: string, tags: string) => number
  readonly deleteSavedModel: (id: number) => void
  readonly runSavedModel: (
    id: number,
    inputs: ReadonlyArray<number>,
    inputNames: string,
    outputNames: string
  ) => ReadonlyArray<{ readonly id: number }>
}

interface Input {
  readonly tensor: Tensor
  readonly data: Values
  readonly shape: ReadonlyArray<number>
}

/** A tensor that TensorFlow holds, by the addon's number, and the placeholder that it is fed to. */
interface Handed {
  readonly id: number
  readonly placeholder: string
}

/**
 * TensorFlow sessions through the addon of @tensorflow/tfjs-node-gpu: one TF_SessionRun a call, which blocks the thread.
 *
 * Only the addon is loaded, not the package's JavaScript: its eager operations are not used.
 */
export async function sessionEngine(location: TensorflowLocation, settings: SessionConfig = {}): Promise<Engine> {
  if (settings.gpu?.memory_fraction !== undefined)
    throw new EngineUnavailable("session", "the addon takes no share of a GPU's memory; capi does")
  const { binding, library } = await loadAddon(location, settings)
  // Which devices are seen, the environment has said already.
  const config = configProto({ ...settings, gpu: settings.gpu && { ...settings.gpu, visible_devices: undefined } })
  return {
    name: "session",
    numerics: tensorflowNumerics(library, config),
    open: async (program) => openSession(binding, program)
  }
}

async function loadAddon(
  location: TensorflowLocation,
  settings: SessionConfig
): Promise<{ readonly binding: Binding; readonly library: KoffiLibrary }> {
  if (location.addon === undefined || !existsSync(location.addon)) {
    throw new EngineUnavailable("session", `the addon ${location.addon ?? "of @tensorflow/tfjs-node-gpu"} is not built`)
  }
  const { library } = await loadTensorflow("session", location, settings) // first: the addon's own reference then resolves to what is loaded
  const module = { exports: {} }
  try {
    process.dlopen(module, location.addon)
  } catch (cause) {
    throw new EngineUnavailable("session", `${location.addon} does not load: ${(cause as Error).message}`, { cause })
  }
  return { binding: module.exports as Binding, library }
}

function openSession(binding: Binding, program: Program): Session {
  const folder = mkdtempSync(join(tmpdir(), "hone-graph-")) // a folder of its own: the addon caches by path
  let id: number
  try {
    writeFileSync(join(folder, "saved_model.pb"), savedModel(program.graph))
    id = binding.loadSavedModel(folder, "serve")
  } catch (cause) {
    throw new EngineFailure("session", "open", (cause as Error).message, { cause })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return new AddonSession(binding, program, id)
}

class AddonSession implements Session {
  readonly #binding: Binding
  readonly #program: Program
  readonly #id: number

  constructor(binding: Binding, program: Program, id: number) {
    this.#binding = binding
    this.#program = program
    this.#id = id
  }

  async write(values: VariableValues): Promise<void> {
    const handed: Array<Handed> = []
    const done: Array<Tensor> = []
    try {
      for await (const [name, data] of values) {
        const entry = writeOf(this.#program, name, data)
        handed.push(this.#hand({ tensor: entry.feed, data, shape: entry.shape }))
        done.push(entry.done)
      }
    } catch (error) {
      this.#forget(handed)
      throw error
    }
    if (done.length > 0) this.#execute("write", handed, done)
  }

  async run(name: string, feeds: Parameters<Session["run"]>[1]): Promise<Record<string, Values>> {
    const fn = functionOf(this.#program, name)
    const fetches = Object.keys(fn.fetches)
    const handed = bindFeeds(fn, feeds).bound.map((input) => this.#hand(input))
    const results = this.#execute(name, handed, Object.values(fn.fetches))
    return Object.fromEntries(fetches.map((fetch, i) => [fetch, results[i]!]))
  }

  async read(names: Iterable<string>): Promise<Map<string, Float32Array>> {
    const wanted = [...names]
    if (wanted.length === 0) return new Map()
    const results = this.#execute(
      "read",
      [],
      wanted.map((name) => readOf(this.#program, name))
    )
    return new Map(wanted.map((name, i) => [name, results[i] as Float32Array]))
  }

  async close(): Promise<void> {
    this.#binding.deleteSavedModel(this.#id)
  }

  #hand({ data, shape, tensor }: Input): Handed {
    const copy = copyOf(data)
    const id = this.#binding.createTensor(shape, tensorflowType[tensor.dtype], copy)
    // TensorFlow has its own by now. Weights would else lie here once more, until they are collected.
    copy.buffer.transfer(0)
    return { id, placeholder: tensor.node.name }
  }

  #forget(handed: ReadonlyArray<Handed>): void {
    for (const { id } of handed) this.#binding.deleteTensor(id)
  }

  #execute(operation: string, handed: ReadonlyArray<Handed>, fetches: ReadonlyArray<Tensor>): ReadonlyArray<Values> {
    const ids = handed.map(({ id }) => id)
    const names = handed.map(({ placeholder }) => placeholder).join()
    let outputs: ReadonlyArray<{ readonly id: number }>
    try {
      outputs = this.#binding.runSavedModel(this.#id, ids, names, fetches.map(({ node }) => node.name).join())
    } catch (cause) {
      throw new EngineFailure("session", operation, (cause as Error).message, { cause })
    }
    this.#forget(handed)
    return outputs.map((output) => {
      const data = this.#binding.tensorDataSync(output.id)
      this.#binding.deleteTensor(output.id)
      return data
    })
  }
}

/**
 * A copy whose memory TensorFlow will not keep. The addon offers the array's own memory as the tensor's, and TF_NewTensor takes it where
 * it lies at a multiple of 64 bytes, as one in four does: a variable would then share memory with V8 until its first update, and let go
 * of it on one of TensorFlow's threads, on which N-API may not be called. Four bytes beside such a place TensorFlow copies, at once and
 * on this thread.
 */
const copyOf = (data: Values): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> => {
  const memory = new ArrayBuffer(data.byteLength + 4)
  const copy =
    data instanceof Float32Array ? new Float32Array(memory, 4, data.length) : new Int32Array(memory, 4, data.length)
  copy.set(data)
  return copy
}
