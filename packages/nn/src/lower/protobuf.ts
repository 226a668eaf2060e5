const encoder = new TextEncoder()

/** Room of a fresh message: most are nodes' attributes, far smaller than this. */
const FIRST_BYTES = 64

/** Writes one protobuf message: as much of the wire format as GraphDef, SavedModel and ConfigProto need. */
export class ProtobufWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #length = 0

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + more))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }

  #varint(value: number): this {
    this.#room(10)
    if (value < 0) return this.#negative(value)
    let rest = value
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  /** A negative int64 is written as its complement, in ten bytes. */
  #negative(value: number): this {
    let rest = BigInt.asUintN(64, BigInt(value))
    for (let i = 0; i < 9; i++) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.#bytes[this.#length++] = Number(rest)
    return this
  }

  int(field: number, value: number): this {
    return this.#varint(field << 3).#varint(value)
  }

  double(field: number, value: number): this {
    this.#varint((field << 3) | 1)
    this.#room(8)
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true)
    this.#length += 8
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint((field << 3) | 2).#varint(value.length)
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  string(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value))
  }

  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.#bytes.subarray(0, value.#length))
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
