import { createHash } from "node:crypto"
import canonicalize from "canonicalize"
import type { Json } from "./Json.ts"

/** JSON as RFC 8785 writes it: keys by code unit, numbers as ECMAScript prints them. Throws on what JSON cannot carry. */
export const canonicalJson = (value: Json): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError("canonicalJson: the value has no JSON form")
  return text
}

export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")

/**
 * SHA-256 (64 hex digits) over a tag, a zero byte and the canonical JSON of `value`. The tag keeps two kinds of things with equal
 * fields apart (as redun's hashes do) and carries a version, so that a change of layout changes every fingerprint.
 */
export const fingerprint = (tag: string, value: Json): string => sha256(`${tag}\0${canonicalJson(value)}`)
