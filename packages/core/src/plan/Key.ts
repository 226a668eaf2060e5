import { fingerprint, sha256 } from "../Canonical.ts"
import type { Json } from "../Json.ts"
import type { Preimage } from "../record/ActionRecord.ts"

/** `SHA-256("hone-key/1" || canonical(preimage))`: the name of a stage's result before it exists. */
export const keyOf = (preimage: Preimage): string => fingerprint("hone-key/1", preimage as unknown as Json)

/** The checkpoints of one training lie under this: the preimage with `params` cut to what shapes the path, not how far it goes. */
export const trajectoryOf = (preimage: Preimage, params: Readonly<Record<string, Json>>): string =>
  fingerprint("hone-trajectory/1", { ...preimage, params } as unknown as Json)

/** Preimages that differ in nothing but input digests share this: the shelf on which a `maybe` looks for its record. */
export const shelfOf = (preimage: Preimage): string => {
  const inputs = Object.fromEntries(Object.keys(preimage.inputs).map((name) => [name, ""]))
  return fingerprint("hone-shelf/1", { ...preimage, inputs } as unknown as Json)
}

/** A uint32 from the root seed, what the stage is, and the user's own `with.seed`: never from the key, never from the step's name. */
export const seedOf = (root: number, identity: string, own: number | undefined): number =>
  Number.parseInt(sha256(`hone-seed/1\0${root}\0${identity}\0${own ?? ""}`).slice(0, 8), 16)
