import { operation } from "../autodiff.ts"
import type { Dim } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * Rows of a table, by index. The derivative is dense: every row of the table gets one, zeros for rows that no index names.
 *
 * A whole read and GatherV2, not ResourceGather, which would make a variable that is also updated densely copy on every read.
 *
 * Source: `torch.nn.Embedding`.
 *
 * @param table float32 [V, C]
 * @param options.indices int32 [N], each in [0, V)
 * @returns y float32 [N, C]
 */
export const embedding = operation("embedding", {
  forward: (g, { table }: Readonly<Record<"table", Tensor>>, { indices }: { readonly indices: Tensor }) => ({
    outputs: { y: g.gather(table, indices) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { inputs: { table } }, { indices }) => ({
    table: g.segmentSum(dy, indices, table.shape[0]!)
  })
})

/**
 * The first T rows of a table, added to every row of a batch: learnt positions.
 *
 * @param x float32 [B*T, C]
 * @param table float32 [P, C], P >= T
 * @param options.batch B
 * @param options.length T
 * @returns y float32 [B*T, C]
 */
export const addFirstRows = operation("addFirstRows", {
  forward: (
    g,
    { table, x }: Readonly<Record<"x" | "table", Tensor>>,
    { batch, length }: { readonly batch: Dim; readonly length: Dim }
  ) => {
    const width = table.shape[1]!
    const rows = g.slice(table, [0, 0], [length, width])
    return { outputs: { y: g.reshape(g.add(g.reshape(x, [batch, length, width]), rows), x.shape) }, keep: undefined }
  },
  backward: (g, { y: dy }, { inputs: { table }, wants }, { batch, length }) => {
    const [size, width] = table.shape
    const rows = () => g.sum(g.reshape(dy, [batch, length, width!]), [0])
    return { x: dy, table: wants("table") ? g.padEnd(rows(), 0, size!) : undefined }
  }
})

/**
 * The first row of a table, added to every token: the token type of a text that has only one.
 *
 * @param x float32 [N, C]
 * @param table float32 [K, C]
 * @returns y float32 [N, C]
 */
export const addFirstRow = operation("addFirstRow", {
  forward: (g, { table, x }: Readonly<Record<"x" | "table", Tensor>>) => ({
    outputs: { y: g.add(x, g.slice(table, [0, 0], [1, table.shape[1]!])) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { inputs: { table }, wants }) => ({
    x: dy,
    table: wants("table") ? g.padEnd(g.sum(dy, [0], true), 0, table.shape[0]!) : undefined
  })
})
