import type { Builder } from "../graph/Builder.ts"
import type { Dim } from "../graph/dims.ts"
import type { Node, Tensor, Variable } from "../graph/Graph.ts"
import type { Keys } from "../models/decoder.ts"
import type { WeightSpec } from "../models/bert/weights.ts"
import type { Network, NetworkContext } from "../network/Network.ts"

/** How much a generation can hold: rows side by side, and tokens of each. */
export interface MemorySize {
  readonly batch: number
  readonly capacity: number
}

/** Keys and values of all layers, as variables float32 [batch, capacity, width] that outlive a run. */
export class Memory {
  readonly #g: Builder
  readonly #name: string
  readonly #size: MemorySize
  /** Nodes that change the memory: a function that ends must wait for them. */
  readonly changes: Array<Node> = []

  constructor(g: Builder, name: string, size: MemorySize) {
    this.#g = g
    this.#name = name
    this.#size = size
  }

  #variable(part: "keys" | "values", layer: number, width: number): Variable {
    const { batch, capacity } = this.#size
    return this.#g.graph.variable(`${this.#name}/${part}/${layer}`, [batch, capacity, width])
  }

  /** Replaces a layer's memory by these tokens [B*T, W], with zeros behind them. */
  fill(layer: number, made: Keys, length: Dim): void {
    const g = this.#g
    const { batch, capacity } = this.#size
    const put = (part: "keys" | "values", x: Tensor) => {
      const width = Number(x.shape[1])
      const rows = g.padEnd(g.reshape(x, [batch, length, width]), 1, capacity)
      this.changes.push(g.assign(this.#variable(part, layer, width), rows))
    }
    put("keys", made.k)
    put("values", made.v)
  }

  /** Forgets everything. */
  clear(layers: number, width: number): void {
    const g = this.#g
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ["keys", "values"] as const) {
        const variable = this.#variable(part, layer, width)
        this.changes.push(g.assign(variable, g.fill(variable.shape, 0)))
      }
    }
  }

  /**
   * Puts one token of each row [B, W] into an empty place, and gives the whole memory [B*capacity, W].
   *
   * @param place float32 [1, capacity, 1]: 1 at the place, else 0
   */
  add(layer: number, made: Keys, place: Tensor): Keys {
    const g = this.#g
    const { batch } = this.#size
    const put = (part: "keys" | "values", x: Tensor): Tensor => {
      const width = Number(x.shape[1])
      const variable = this.#variable(part, layer, width)
      const added = g.assignAdd(variable, g.mul(place, g.reshape(x, [batch, 1, width])))
      this.changes.push(added)
      return this.#flat(g.readAfter(variable, [added]))
    }
    return { k: put("keys", made.k), v: put("values", made.v) }
  }

  /** What a layer remembers, [B*capacity, W]. */
  recall(layer: number, width: number): Keys {
    const g = this.#g
    const read = (part: "keys" | "values") => this.#flat(g.read(this.#variable(part, layer, width)))
    return { k: read("keys"), v: read("values") }
  }

  #flat(x: Tensor): Tensor {
    const { batch, capacity } = this.#size
    return this.#g.reshape(x, [batch * capacity, x.shape[2]!])
  }
}

/** 1 at a slot, else 0. @param slot int32 [1] @returns float32 [1, capacity, 1] */
export function placeOf(g: Builder, slot: Tensor, capacity: number): Tensor {
  const elsewhere = g.cast(g.notEqual(g.range(capacity), slot), "float32")
  return g.reshape(g.sub(g.scalar(1), elsewhere), [1, capacity, 1])
}

/** A context that nothing trains in, and the parameters that it has read. */
export function readingContext(
  g: Builder,
  network: Network
): { readonly c: NetworkContext; readonly used: () => Array<WeightSpec> } {
  const specs = new Map(network.parameters.map((spec) => [spec.name, spec]))
  const used = new Set<string>()
  const plain: NetworkContext = {
    g,
    weight: (name) => {
      const spec = specs.get(name)
      if (spec === undefined) throw new Error(`the network has no parameter "${name}"`)
      used.add(name)
      return g.read(g.graph.variable(name, spec.shape))
    },
    dropoutAt: () => undefined,
    adapt: (_, __, y) => y
  }
  return {
    c: network.adapted === undefined ? plain : network.adapted(plain),
    used: () => network.parameters.filter(({ name }) => used.has(name))
  }
}
