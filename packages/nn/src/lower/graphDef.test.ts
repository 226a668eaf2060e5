import { createRequire } from "node:module"
import { describe, expect, it } from "vitest"
import { parseBertConfig } from "../models/bert/config.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { graphDef, savedModel } from "./graphDef.ts"

interface Dim {
  readonly getSize: () => number
}
interface AttrValue {
  readonly getType: () => number
  readonly getB: () => boolean
  readonly getShape: () => { readonly getDimList: () => ReadonlyArray<Dim> } | undefined
  readonly getTensor: () =>
    | { readonly getDtype: () => number; readonly getTensorContent_asU8: () => Uint8Array }
    | undefined
}
interface NodeDef {
  readonly getName: () => string
  readonly getOp: () => string
  readonly getInputList: () => ReadonlyArray<string>
  readonly getAttrMap: () => { readonly get: (key: string) => AttrValue | undefined; readonly getLength: () => number }
}
interface Message {
  readonly serializeBinary: () => Uint8Array
}
interface GraphDef extends Message {
  readonly getNodeList: () => ReadonlyArray<NodeDef>
}
interface SavedModel extends Message {
  readonly getMetaGraphsList: () => ReadonlyArray<{
    readonly getMetaInfoDef: () => { readonly getTagsList: () => ReadonlyArray<string> }
    readonly getGraphDef: () => GraphDef
  }>
}

/** The protocol buffers that tfjs-node bundles: written by others, from TensorFlow's own .proto files. */
const proto = createRequire(import.meta.url)("@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js") as {
  readonly GraphDef: { readonly deserializeBinary: (bytes: Uint8Array) => GraphDef }
  readonly SavedModel: { readonly deserializeBinary: (bytes: Uint8Array) => SavedModel }
}

const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 30,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 12
})
const { graph } = classifierProgram({
  config,
  head: { pooling: "pooler", labels: 2 },
  trainable: () => true,
  optimizer: defaultAdamW,
  max_grad_norm: 1,
  accumulation: true
})

describe("a lowered training program", () => {
  const parsed = proto.GraphDef.deserializeBinary(graphDef(graph))
  const nodes = new Map(parsed.getNodeList().map((node) => [node.getName(), node]))

  it("parses as a GraphDef with every node, input and control edge", () => {
    expect(nodes.size).toBe(graph.nodes.length)
    for (const node of graph.nodes) {
      const read = nodes.get(node.name)!
      expect(read.getOp()).toBe(node.op)
      const inputs = node.inputs.map(({ index, node: from }) => (index === 0 ? from.name : `${from.name}:${index}`))
      expect(read.getInputList()).toEqual([...inputs, ...new Set(node.control.map(({ name }) => `^${name}`))])
    }
  })

  it("loses no byte when it is written again by another writer", () => {
    expect(parsed.serializeBinary()).toHaveLength(graphDef(graph).length)
  })

  it("writes dtypes, unknown dims, flags and constants where TensorFlow looks for them", () => {
    const ids = nodes.get("train/input_ids")!.getAttrMap()
    expect(ids.get("dtype")!.getType()).toBe(3)
    expect(
      ids
        .get("shape")!
        .getShape()!
        .getDimList()
        .map((dim) => dim.getSize())
    ).toEqual([-1, -1])
    const matmul = [...nodes.values()]
      .find((node) => node.getOp() === "MatMul" && node.getName().startsWith("eval/"))!
      .getAttrMap()
    expect([matmul.get("transpose_a")!.getB(), matmul.get("transpose_b")!.getB()]).toEqual([false, true])
    const half = graph.nodes.find(
      ({ op, params }) => op === "Const" && params.dtype === "float32" && params.values![0] === 0.5
    )!
    const content = nodes.get(half.name)!.getAttrMap().get("value")!.getTensor()!.getTensorContent_asU8()
    expect(new DataView(content.slice().buffer).getFloat32(0, true)).toBe(0.5)
  })

  it("lies in a SavedModel under the tag serve", () => {
    const [meta] = proto.SavedModel.deserializeBinary(savedModel(graph)).getMetaGraphsList()
    expect(meta!.getMetaInfoDef().getTagsList()).toEqual(["serve"])
    expect(meta!.getGraphDef().getNodeList()).toHaveLength(graph.nodes.length)
  })
})
