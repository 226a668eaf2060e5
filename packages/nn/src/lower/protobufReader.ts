/** One field of a message: a whole number, or the bytes of a string, a message or packed numbers. */
export interface ProtobufField {
  readonly field: number
  readonly value: number | Uint8Array
}

const VARINT = 0
const FIXED64 = 1
const DELIMITED = 2
const FIXED32 = 5
/** Bits of a varint that a double still holds exactly: seven groups of seven. */
const EXACT_BITS = 49

const decoder = new TextDecoder()

/**
 * The fields of one protobuf message, in the order in which they lie. Numbers beyond 2^53 are rounded; fixed-width fields, which no
 * message that is read here needs, are passed over. Throws RangeError for what is no message.
 */
export function fieldsOf(bytes: Uint8Array): Array<ProtobufField> {
  const fields: Array<ProtobufField> = []
  let at = 0
  const byte = (): number => {
    if (at >= bytes.length) throw new RangeError(`a protobuf message ends within a field, after ${at} bytes`)
    return bytes[at++]!
  }
  const varint = (): number => {
    let value = 0
    for (let bits = 0; bits < EXACT_BITS; bits += 7) {
      const next = byte()
      value += (next & 127) * 2 ** bits
      if (next < 128) return value
    }
    let high = 0n
    let bits = 0n
    for (let next = 128; next > 127; bits += 7n) {
      next = byte()
      high |= BigInt(next & 127) << bits
    }
    return Number(BigInt.asIntN(64, (high << BigInt(EXACT_BITS)) + BigInt(value)))
  }
  const skip = (count: number): number => {
    const from = at
    at += count
    if (at > bytes.length) throw new RangeError(`a protobuf message ends within a field, after ${bytes.length} bytes`)
    return from
  }
  while (at < bytes.length) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    const wire = tag % 8
    if (wire === VARINT) fields.push({ field, value: varint() })
    else if (wire === DELIMITED) {
      const length = varint()
      const from = skip(length)
      fields.push({ field, value: bytes.subarray(from, from + length) })
    } else if (wire === FIXED64) skip(8)
    else if (wire === FIXED32) skip(4)
    else throw new RangeError(`wire type ${wire} of field ${field} is none of protobuf's`)
  }
  return fields
}

export const textOf = (value: number | Uint8Array): string => (typeof value === "number" ? "" : decoder.decode(value))

/** The messages in a repeated field. */
export const messagesIn = (fields: ReadonlyArray<ProtobufField>, field: number): Array<Uint8Array> =>
  fields.flatMap((one) => (one.field === field && typeof one.value !== "number" ? [one.value] : []))

/** A number of a message; 0 where it is left out, as protobuf has it. The last one counts. */
export function numberIn(fields: ReadonlyArray<ProtobufField>, field: number): number {
  const found = fields.findLast((one) => one.field === field)?.value
  return typeof found === "number" ? found : 0
}

export const textIn = (fields: ReadonlyArray<ProtobufField>, field: number): string => {
  const found = fields.findLast((one) => one.field === field)
  return found === undefined ? "" : textOf(found.value)
}
