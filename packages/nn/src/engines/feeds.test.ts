import { describe, expect, it } from "vitest"
import { parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { fastestEngine, nativeEngines, openForTest } from "../testing/engines.ts"
import { matrix } from "../testing/golden.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { BadFeed, EngineUnavailable, UnknownName } from "./Engine.ts"
import { openEngine } from "./openEngine.ts"
import { release } from "./release.ts"

const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 30,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 12
})
const program = classifierProgram({
  config,
  head: { pooling: "mean", labels: 2 },
  trainable: () => true,
  optimizer: defaultAdamW,
  max_grad_norm: 1
})
const good = { input_ids: matrix([[1, 2, 3]]), attention_mask: matrix([[1, 1, 1]]), labels: Int32Array.of(1) }
/** One token more than the model has positions. */
const long = matrix([Array.from({ length: 13 }, () => 1)])

const weights = initialWeights(config, program.parameters, 1)

/** Each value made when it is asked for, and told; nothing else holds it. */
async function* oneByOne(made: Array<string>) {
  for (const [name, values] of weights) {
    made.push(name)
    yield [name, values.slice()] as const
  }
}

describe.each([...nativeEngines, "wasm", "cpu"] as const)("a session on %s", (name) => {
  it("takes weights as they are made, and computes as with those of a map", async () => {
    const engine = await openForTest(name)
    const [whole, gradual] = [await engine.open(program), await engine.open(program)]
    const made: Array<string> = []
    await whole.write(weights)
    await gradual.write(oneByOne(made))
    expect(made).toEqual([...weights.keys()])
    expect(await gradual.run("eval", good)).toEqual(await whole.run("eval", good))
    await Promise.all([whole.close(), gradual.close()])
  })

  it("computes on after what it returned was given back", async () => {
    const session = await (await openForTest(name)).open(program)
    await session.write(weights)
    const first = await session.run("eval", good)
    const kept = { logits: first["logits"]!.slice(), losses: first["losses"]!.slice() }
    release(first)
    release(first)
    expect([first["logits"]!.length, first["losses"]!.length]).toEqual([0, 0])
    expect(await session.run("eval", good)).toEqual(kept)
    await session.close()
  })
})

describe.each([...new Set([fastestEngine, "wasm" as const])])("a session on %s refuses, and stays usable,", (name) => {
  const open = async () => {
    const session = await (await openForTest(name)).open(program)
    await session.write(initialWeights(config, program.parameters, 1))
    return session
  }

  it.each([
    ["a feed with another name", { ...good, token_type_ids: matrix([[0, 0, 0]]) }, UnknownName],
    ["a feed that is missing", { input_ids: good.input_ids, labels: good.labels }, BadFeed],
    ["a feed of another dtype", { ...good, labels: Float32Array.of(1) }, BadFeed],
    ["a feed of another rank", { ...good, input_ids: Int32Array.of(1, 2, 3) }, BadFeed],
    ["a mask of another length", { ...good, attention_mask: matrix([[1, 1]]) }, BadFeed],
    ["labels of another batch", { ...good, labels: Int32Array.of(1, 0) }, BadFeed],
    ["a token that the vocabulary lacks", { ...good, input_ids: matrix([[1, 30, 3]]) }, BadFeed],
    ["a negative token", { ...good, input_ids: matrix([[1, -1, 3]]) }, BadFeed],
    ["a label that the head lacks", { ...good, labels: Int32Array.of(2) }, BadFeed],
    ["a text longer than there are positions", { ...good, input_ids: long, attention_mask: long }, BadFeed],
    ["no rows", { ...good, input_ids: { data: new Int32Array(0), shape: [0, 3] } }, BadFeed],
    ["fewer values than the shape says", { ...good, input_ids: { data: Int32Array.of(1, 2), shape: [1, 3] } }, BadFeed]
  ])("%s", async (_, feeds, fault) => {
    const session = await open()
    await expect(session.run("eval", feeds)).rejects.toThrow(fault)
    expect((await session.run("eval", good))["logits"]).toHaveLength(2)
    await session.close()
  })

  it("unknown functions and variables, and values of another size", async () => {
    const session = await open()
    await expect(session.run("fly", good)).rejects.toThrow(UnknownName)
    await expect(session.write(new Map([["pooler.dense.bias", new Float32Array(8)]]))).rejects.toThrow(UnknownName)
    await expect(session.write(new Map([["classifier.bias", new Float32Array(3)]]))).rejects.toThrow(BadFeed)
    await expect(session.read(["classifier.bias", "nothing"])).rejects.toThrow(UnknownName)
    await session.close()
  })

  it("to share memory with its caller", async () => {
    const session = await open()
    const bias = Float32Array.of(1, 2)
    await session.write(new Map([["classifier.bias", bias]]))
    bias.fill(9)
    const read = (await session.read(["classifier.bias"])).get("classifier.bias")!
    expect([...read]).toEqual([1, 2])
    read.fill(7)
    expect([...(await session.read(["classifier.bias"])).get("classifier.bias")!]).toEqual([1, 2])
    await session.close()
  })
})

describe("opening an engine that is not there", () => {
  it.each([
    [{ engine: "session" as const }, "no TensorFlow library is set up"],
    [{ engine: "capi" as const, tensorflow: { library: "/nowhere" } }, "does not exist"],
    [{ engine: "session" as const, tensorflow: { library: "/nowhere" } }, "is not built"]
  ])("says why: %j", async (options, reason) => {
    await expect(openEngine(options)).rejects.toThrow(EngineUnavailable)
    await expect(openEngine(options)).rejects.toThrow(reason)
  })
})
