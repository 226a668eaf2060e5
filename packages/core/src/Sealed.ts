import { sha256 } from "./Canonical.ts"

/** A value as the text of a file, under its own name and beside the SHA-256 of its JSON, so that a torn or edited one shows. */
export const seal = (name: string, value: unknown): string => {
  const text = JSON.stringify(value)
  return `{"checksum":"${sha256(text)}","${name}":${text}}\n`
}

/** The value of a sealed text; undefined where the checksum does not hold. */
export const unseal = <T>(name: string, text: string): T | undefined => {
  try {
    const file = JSON.parse(text) as { readonly checksum: string } & Readonly<Record<string, T>>
    const value = file[name]
    return value !== undefined && sha256(JSON.stringify(value)) === file.checksum ? value : undefined
  } catch {
    return undefined
  }
}
