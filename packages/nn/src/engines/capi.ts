import type { Tensor } from "../graph/Graph.ts"
import type { Feeds, Program, ProgramFunction, Values } from "../graph/Program.ts"
import { graphDef, tensorflowType } from "../lower/graphDef.ts"
import { configProto, type SessionConfig } from "./configProto.ts"
import {
  bindFeeds,
  type Engine,
  EngineFailure,
  functionOf,
  readOf,
  type Session,
  type Traced,
  type VariableValues,
  writeOf
} from "./Engine.ts"
import {
  type Koffi,
  type KoffiLibrary,
  loadTensorflow,
  type TensorflowLocation,
  tensorflowNumerics
} from "./tensorflowLibrary.ts"
import { fullTrace, traceOf } from "./trace.ts"

/** Anything that koffi hands back as a pointer. */
type Pointer = object

interface Input {
  readonly tensor: Tensor
  readonly data: Values
  readonly shape: ReadonlyArray<number>
}

/** A tensor that TensorFlow holds, by its address, and the placeholder that it is fed to. */
interface Handed {
  readonly address: bigint
  readonly placeholder: Tensor
}

/** Two TF_Buffers: what a run is asked to tell, and where it tells it. */
interface Tracing {
  readonly options: Pointer
  readonly metadata: Pointer
}

/** The functions of TensorFlow's C API that are used. Tensors that a run returns are addresses, hence the second spellings. */
function declare(library: KoffiLibrary) {
  const f = (signature: string) => library.func(signature)
  return {
    newStatus: f("void* TF_NewStatus()"),
    code: f("int TF_GetCode(void* status)"),
    message: f("const char* TF_Message(void* status)"),
    newGraph: f("void* TF_NewGraph()"),
    deleteGraph: f("void TF_DeleteGraph(void* graph)"),
    newImportOptions: f("void* TF_NewImportGraphDefOptions()"),
    deleteImportOptions: f("void TF_DeleteImportGraphDefOptions(void* options)"),
    newBuffer: f("void* TF_NewBufferFromString(const uint8_t* bytes, size_t length)"),
    emptyBuffer: f("void* TF_NewBuffer()"),
    deleteBuffer: f("void TF_DeleteBuffer(void* buffer)"),
    importGraph: f("void TF_GraphImportGraphDef(void* graph, void* buffer, void* options, void* status)"),
    newOptions: f("void* TF_NewSessionOptions()"),
    deleteOptions: f("void TF_DeleteSessionOptions(void* options)"),
    setConfig: f("void TF_SetConfig(void* options, const uint8_t* bytes, size_t length, void* status)"),
    newSession: f("void* TF_NewSession(void* graph, void* options, void* status)"),
    closeSession: f("void TF_CloseSession(void* session, void* status)"),
    deleteSession: f("void TF_DeleteSession(void* session, void* status)"),
    operation: f("void* TF_GraphOperationByName(void* graph, const char* name)"),
    run: f(
      "void TF_SessionRun(void* session, void* options, const uint64_t* inputs, const uint64_t* values, int inputCount, const uint64_t* outputs, " +
        "_Out_ uint64_t* results, int outputCount, const uint64_t* targets, int targetCount, void* metadata, void* status)"
    ),
    allocate: f("void* TF_AllocateTensor(int dtype, const int64_t* dims, int rank, size_t bytes)"),
    data: f("void* TF_TensorData(void* tensor)"),
    dataAt: library.func("TF_TensorData", "void*", ["uint64_t"]),
    byteSizeAt: library.func("TF_TensorByteSize", "size_t", ["uint64_t"]),
    deleteAt: library.func("TF_DeleteTensor", "void", ["uint64_t"])
  }
}

type Api = ReturnType<typeof declare>

/**
 * TensorFlow sessions through its C API: the same bytes and numbers as `session`, no compiler needed, and a run leaves the thread free.
 */
export async function capiEngine(location: TensorflowLocation, settings: SessionConfig = {}): Promise<Engine> {
  const { koffi, library } = await loadTensorflow("capi", location, settings)
  const api = declare(library)
  const config = configProto(settings)
  return {
    name: "capi",
    numerics: tensorflowNumerics(library, config),
    open: async (program) => new CapiSession(api, koffi, program, config)
  }
}

class CapiSession implements Session {
  readonly #api: Api
  readonly #koffi: Koffi
  readonly #program: Program
  readonly #status: Pointer
  readonly #graph: Pointer
  readonly #session: Pointer
  readonly #addresses = new Map<string, bigint>()

  constructor(api: Api, koffi: Koffi, program: Program, config: Uint8Array) {
    this.#api = api
    this.#koffi = koffi
    this.#program = program
    this.#status = api.newStatus()
    this.#graph = api.newGraph()
    const bytes = graphDef(program.graph)
    const buffer = api.newBuffer(bytes, bytes.length)
    const importOptions = api.newImportOptions()
    api.importGraph(this.#graph, buffer, importOptions, this.#status)
    api.deleteImportOptions(importOptions)
    api.deleteBuffer(buffer)
    this.#check("open")
    const options = api.newOptions()
    api.setConfig(options, config, config.length, this.#status)
    this.#check("open")
    this.#session = api.newSession(this.#graph, options, this.#status)
    api.deleteOptions(options)
    this.#check("open")
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
    if (done.length > 0) await this.#execute("write", handed, done)
  }

  async run(name: string, feeds: Feeds): Promise<Record<string, Values>> {
    const fn = functionOf(this.#program, name)
    const results = await this.#execute(name, this.#handAll(fn, feeds), Object.values(fn.fetches))
    return Object.fromEntries(Object.keys(fn.fetches).map((fetch, i) => [fetch, results[i]!]))
  }

  async traced(name: string, feeds: Feeds): Promise<Traced> {
    const fn = functionOf(this.#program, name)
    const metadata = this.#api.emptyBuffer() as Pointer
    const options = this.#api.newBuffer(fullTrace, fullTrace.length) as Pointer
    try {
      const tracing = { options, metadata }
      const results = await this.#execute(name, this.#handAll(fn, feeds), Object.values(fn.fetches), tracing)
      const values = Object.fromEntries(Object.keys(fn.fetches).map((fetch, i) => [fetch, results[i]!]))
      return { values, trace: traceOf(this.#contentOf(metadata)) }
    } finally {
      this.#api.deleteBuffer(options)
      this.#api.deleteBuffer(metadata)
    }
  }

  /** What a TF_Buffer holds: an address and a length are its first two words. */
  #contentOf(buffer: Pointer): Uint8Array {
    const [address, length] = new BigUint64Array(this.#koffi.view(buffer, 16))
    return length === 0n ? new Uint8Array(0) : new Uint8Array(this.#koffi.view(address, Number(length)))
  }

  async read(names: Iterable<string>): Promise<Map<string, Float32Array>> {
    const wanted = [...names]
    if (wanted.length === 0) return new Map()
    const results = await this.#execute(
      "read",
      [],
      wanted.map((name) => readOf(this.#program, name))
    )
    return new Map(wanted.map((name, i) => [name, results[i] as Float32Array]))
  }

  async close(): Promise<void> {
    this.#api.closeSession(this.#session, this.#status)
    this.#api.deleteSession(this.#session, this.#status)
    this.#api.deleteGraph(this.#graph)
  }

  #check(operation: string): void {
    if (this.#api.code(this.#status) !== 0)
      throw new EngineFailure("capi", operation, this.#api.message(this.#status) as string)
  }

  /** TF_Output[]: the operation's address and the output's index, two words each. */
  #outputs(tensors: ReadonlyArray<Tensor>): BigUint64Array {
    const words = new BigUint64Array(2 * tensors.length)
    tensors.forEach(({ index, node }, i) => {
      words[2 * i] = this.#address(node.name)
      words[2 * i + 1] = BigInt(index)
    })
    return words
  }

  #address(name: string): bigint {
    const known = this.#addresses.get(name)
    if (known !== undefined) return known
    const operation = this.#api.operation(this.#graph, name) as Pointer | null
    if (operation === null) throw new EngineFailure("capi", "open", `the imported graph has no node ${name}`)
    const address = this.#koffi.address(operation)
    this.#addresses.set(name, address)
    return address
  }

  #handAll(fn: ProgramFunction, feeds: Feeds): ReadonlyArray<Handed> {
    return bindFeeds(fn, feeds).bound.map((input) => this.#hand(input))
  }

  #hand({ data, shape, tensor }: Input): Handed {
    const handle = this.#api.allocate(
      tensorflowType[tensor.dtype],
      BigInt64Array.from(shape, BigInt),
      shape.length,
      data.byteLength
    )
    if (data.byteLength > 0) {
      const memory = new Uint8Array(this.#koffi.view(this.#api.data(handle), data.byteLength))
      memory.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
    return { address: this.#koffi.address(handle), placeholder: tensor }
  }

  #forget(handed: ReadonlyArray<Handed>): void {
    for (const { address } of handed) this.#api.deleteAt(address)
  }

  #take(address: bigint, { dtype }: Tensor): Values {
    const length = Number(this.#api.byteSizeAt(address))
    const copy = length === 0 ? new ArrayBuffer(0) : this.#koffi.view(this.#api.dataAt(address), length).slice(0)
    this.#api.deleteAt(address)
    return dtype === "int32" ? new Int32Array(copy) : new Float32Array(copy)
  }

  async #execute(
    operation: string,
    handed: ReadonlyArray<Handed>,
    fetches: ReadonlyArray<Tensor>,
    tracing?: Tracing
  ): Promise<ReadonlyArray<Values>> {
    const feeds = this.#outputs(handed.map(({ placeholder }) => placeholder))
    const outputs = this.#outputs(fetches)
    const values = BigUint64Array.from(handed, ({ address }) => address)
    const results = new BigUint64Array(fetches.length)
    const args = [
      this.#session,
      tracing?.options ?? null,
      feeds,
      values,
      handed.length,
      outputs,
      results,
      fetches.length,
      null,
      0,
      tracing?.metadata ?? null,
      this.#status
    ]
    await new Promise<void>((resolve, reject) => {
      this.#api.run.async(...args, (error: Error | null) => (error === null ? resolve() : reject(error)))
    })
    this.#forget(handed)
    this.#check(operation)
    return fetches.map((tensor, i) => this.#take(results[i]!, tensor))
  }
}
