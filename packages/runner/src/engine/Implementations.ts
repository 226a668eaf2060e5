import { readFileSync } from "node:fs"
import { fingerprint } from "@hone/core/Canonical"
import { Implementations } from "@hone/core/Services"
import { Layer } from "effect"

interface ImplementationFile {
  readonly modules: Readonly<Record<string, { readonly digest: string }>>
}

/** Digests that bundling left beside the bundle. A module that it does not name is a mistake of ours, not the user's. */
export const layer = (path: string): Layer.Layer<Implementations> =>
  Layer.sync(Implementations, () => {
    let file: ImplementationFile | undefined
    const known = new Map<string, string>()
    const digestOf = (module: string): string => {
      file ??= JSON.parse(readFileSync(path, "utf8")) as ImplementationFile
      const entry = file.modules[module]
      if (entry === undefined) throw new Error(`the bundle holds no module "${module}"`)
      return entry.digest
    }
    return Implementations.of({
      digest: (module, parts) => {
        const id = [module, ...parts].join(" ")
        const found =
          known.get(id) ??
          (parts.length === 0
            ? digestOf(module)
            : fingerprint("hone-implementation/1", [module, ...parts].map(digestOf)))
        known.set(id, found)
        return found
      }
    })
  })
