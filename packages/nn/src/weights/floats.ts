/** Widens little-endian bytes into `target` from `start` on. Exact: every value of the narrower types is a float32. */
export type Widen = (bytes: Uint8Array, target: Float32Array, start: number) => void

/** The bytes as words of 16 bits, copied only where they are not aligned. */
function words(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2)
}

let halves: Uint32Array | undefined

/** The float32 bits of every float16, made once. */
function halfTable(): Uint32Array {
  if (halves !== undefined) return halves
  const floats = new Float32Array(65536)
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    floats[bits] =
      exponent === 31
        ? fraction === 0
          ? sign * Infinity
          : NaN
        : exponent === 0
          ? sign * fraction * 2 ** -24
          : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  }
  halves = new Uint32Array(floats.buffer)
  return halves
}

const f16: Widen = (bytes, target, start) => {
  const table = halfTable()
  const source = words(bytes)
  const result = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) result[start + i] = table[source[i]!]!
}

const bf16: Widen = (bytes, target, start) => {
  const source = words(bytes)
  const result = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) result[start + i] = source[i]! << 16
}

const f32: Widen = (bytes, target, start) => {
  new Uint8Array(target.buffer, target.byteOffset + 4 * start, bytes.length).set(bytes)
}

export const toFloat32 = { F16: f16, BF16: bf16, F32: f32 } as const
