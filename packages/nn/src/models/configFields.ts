import { UnsupportedConfig } from "./bert/config.ts"

const MAX_SIZE = 2 ** 31 - 1

/** A config.json's fields, read one by one; each that cannot be used throws UnsupportedConfig. null counts as left out. */
export class ConfigFields {
  readonly #json: Readonly<Record<string, unknown>>

  constructor(json: unknown) {
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw new UnsupportedConfig("", json, "an object")
    this.#json = json as Readonly<Record<string, unknown>>
  }

  raw(key: string): unknown {
    return this.#json[key] ?? undefined
  }

  /** A positive whole number. Without a fallback it must be there. */
  whole(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback
    if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > MAX_SIZE)
      throw new UnsupportedConfig(key, this.#json[key], "a positive whole number")
    return value
  }

  real(key: string, fallback: number, most: number): number {
    const value = this.raw(key) ?? fallback
    if (typeof value !== "number" || !(value >= 0) || value > most)
      throw new UnsupportedConfig(key, this.#json[key], `a number from 0 to ${most}`)
    return value
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback
    if (typeof value !== "boolean") throw new UnsupportedConfig(key, this.#json[key], "true or false")
    return value
  }

  /** One of several words. */
  choice<Word extends string>(key: string, fallback: Word, words: ReadonlyArray<Word>): Word {
    const value = this.raw(key) ?? fallback
    if (!words.includes(value as Word))
      throw new UnsupportedConfig(key, this.#json[key], words.map((word) => `"${word}"`).join(" or "))
    return value as Word
  }

  /** Keys with one meaning that is implemented: anything else would be computed wrongly, so it is refused. */
  only(accepted: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(accepted)) {
      const found = this.raw(key)
      if (found !== undefined && found !== value)
        throw new UnsupportedConfig(key, found, `${JSON.stringify(value)} or left out`)
    }
    if (this.raw("quantization_config") !== undefined)
      throw new UnsupportedConfig("quantization_config", this.raw("quantization_config"), "absent")
  }

  /** The family that the parser is for. */
  modelType(...accepted: ReadonlyArray<string>): string {
    const value = this.raw("model_type")
    if (!accepted.includes(value as string))
      throw new UnsupportedConfig("model_type", value, accepted.map((word) => `"${word}"`).join(" or "))
    return value as string
  }

  /** `heads` must divide `width`. */
  divides(heads: number, width: number, key: string): void {
    if (width % heads !== 0) throw new UnsupportedConfig(key, heads, `a divisor of ${width}`)
  }
}
