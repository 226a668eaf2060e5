import { isSymbolic } from "../graph/Graph.ts"
import type { Shape } from "../graph/dims.ts"
import type { DType, Graph, Node, Tensor } from "../graph/Graph.ts"
import { type Attr, primitives } from "../primitives.ts"
import { ProtobufWriter } from "./protobuf.ts"

/** TensorFlow's numbers for dtypes (types.proto). */
export const tensorflowType: Readonly<Record<DType, number>> = {
  float32: 1,
  int32: 3,
  bool: 10,
  bfloat16: 14,
  resource: 20
}

/** The graph version whose default attributes we count on, and the oldest reader that knows them. */
const PRODUCER = 2000
const MIN_CONSUMER = 12

/** A dim that is not known yet is -1. */
function shapeProto(shape: Shape): ProtobufWriter {
  const writer = new ProtobufWriter()
  for (const dim of shape) writer.message(2, new ProtobufWriter().int(1, isSymbolic(dim) ? -1 : dim))
  return writer
}

function contentOf(dtype: DType, values: ReadonlyArray<number>): Uint8Array {
  const array = dtype === "float32" ? Float32Array.from(values) : Int32Array.from(values)
  return new Uint8Array(array.buffer)
}

function attrProto(attr: Attr): ProtobufWriter {
  const writer = new ProtobufWriter()
  if ("type" in attr) return writer.int(6, tensorflowType[attr.type])
  if ("int" in attr) return writer.int(3, attr.int)
  if ("bool" in attr) return writer.int(5, attr.bool ? 1 : 0)
  if ("string" in attr) return writer.string(2, attr.string)
  if ("shape" in attr) return writer.message(7, shapeProto(attr.shape))
  const { dtype, shape, values } = attr.tensor
  const tensor = new ProtobufWriter()
    .int(1, tensorflowType[dtype])
    .message(2, shapeProto(shape))
    .bytes(4, contentOf(dtype, values))
  return writer.message(8, tensor)
}

/** How a node names an input: the node alone for its first output. */
const inputName = ({ index, node }: Tensor): string => (index === 0 ? node.name : `${node.name}:${index}`)

function nodeProto(node: Node): ProtobufWriter {
  const writer = new ProtobufWriter().string(1, node.name).string(2, node.op)
  for (const input of node.inputs) writer.string(3, inputName(input))
  for (const before of new Set(node.control)) writer.string(3, `^${before.name}`)
  for (const [key, attr] of Object.entries(primitives[node.op].attrs(node.inputs, node.params))) {
    writer.message(5, new ProtobufWriter().string(1, key).message(2, attrProto(attr)))
  }
  return writer
}

/** A graph as the bytes of a GraphDef. Symbols become unknown dims. */
export function graphDef(graph: Graph): Uint8Array {
  const writer = new ProtobufWriter()
  for (const node of graph.nodes) writer.message(1, nodeProto(node))
  return writer.message(4, new ProtobufWriter().int(1, PRODUCER).int(2, MIN_CONSUMER)).finish()
}

/**
 * A graph as the bytes of saved_model.pb, tag "serve".
 *
 * It has no signatures, since nodes are fed and fetched by name, and no variables folder, since weights are fed.
 */
export function savedModel(graph: Graph): Uint8Array {
  const info = new ProtobufWriter().string(4, "serve").string(5, "2.21.0")
  return new ProtobufWriter()
    .int(1, 1)
    .message(2, new ProtobufWriter().message(1, info).bytes(2, graphDef(graph)))
    .finish()
}
