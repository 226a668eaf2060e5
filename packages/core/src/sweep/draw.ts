import { sha256 } from "../Canonical.ts"

/** Numbers from 0 to below 1, the same for the same seed and name. */
export type Draw = () => number

/** A generator of its own for each thing that is drawn: what one takes never shifts another. (sfc32, Doty-Humphrey 2010) */
export const drawFor = (seed: number, name: string): Draw => {
  const digest = sha256(`hone-draw/1\0${seed}\0${name}`)
  let [a, b, c, d] = [0, 8, 16, 24].map((at) => Number.parseInt(digest.slice(at, at + 8), 16)) as [
    number,
    number,
    number,
    number
  ]
  return () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4294967296
  }
}
