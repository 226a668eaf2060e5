const encoder = new TextEncoder()

/** Writes one protobuf message: as much of the wire format as GraphDef, SavedModel and ConfigProto need. */
export class ProtobufWriter {
  readonly #chunks: Array<Uint8Array> = []
  #length = 0

  #push(bytes: Uint8Array): this {
    this.#chunks.push(bytes)
    this.#length += bytes.length
    return this
  }

  #varint(value: number | bigint): this {
    const bytes: Array<number> = []
    let rest = BigInt.asUintN(64, BigInt(value)) // a negative int64 takes ten bytes
    do {
      const low = Number(rest & 127n)
      rest >>= 7n
      bytes.push(rest === 0n ? low : low | 128)
    } while (rest !== 0n)
    return this.#push(Uint8Array.from(bytes))
  }

  int(field: number, value: number): this {
    return this.#varint(field << 3).#varint(value)
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#varint((field << 3) | 2).#varint(value.length).#push(value)
  }

  string(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value))
  }

  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.finish())
  }

  finish(): Uint8Array {
    const result = new Uint8Array(this.#length)
    let offset = 0
    for (const chunk of this.#chunks) {
      result.set(chunk, offset)
      offset += chunk.length
    }
    return result
  }
}
