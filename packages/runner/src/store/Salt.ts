import { createHmac, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Digest } from "@hone/core/file/DecodeStep"
import { createFile, makeDurableFolder } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"

const isSalt = (text: string) => /^[0-9a-f]{64}$/u.test(text)

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** The store's salt; made at the first need, and for this process alone where the store cannot be written. */
const saltOf = (folder: StoreFolder): string => {
  const known = read(folder.salt)
  if (known !== undefined) return known
  const fresh = randomBytes(32).toString("hex")
  try {
    makeDurableFolder(folder.root)
    return createFile(folder.salt, fresh, 0o600) === "created" ? fresh : (read(folder.salt) ?? fresh)
  } catch {
    return fresh // nothing can be kept there either, so nothing will be looked for under its keys
  }
}

/**
 * Digests for values of the environment: HMAC-SHA256 under a salt that lies in the store, readable by its owner alone. A record that is
 * handed on tells whether two results had the same value, and a short value cannot be guessed from it.
 */
export const saltedDigest = (folder: StoreFolder): Digest => {
  let salt: string | undefined
  return (text) => {
    try {
      salt ??= saltOf(folder)
    } catch (error) {
      return {
        problem: `a value of the environment cannot be told from another: ${(error as Error).message}`,
        hint: "run as the user that the store belongs to; or declare the variable as `{ secret: false }`, if its value may be told"
      }
    }
    if (isSalt(salt)) return createHmac("sha256", salt).update(text).digest("hex").slice(0, 32)
    return {
      problem: `a value of the environment cannot be told from another: ${folder.salt} is not what was written`,
      hint: "delete that file: steps that take values of the environment run once more"
    }
  }
}
