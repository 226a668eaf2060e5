import { safetensorsHeader } from "@hone/nn/weights/safetensors"
import { placeOf, type TensorEntry } from "../artifacts/manifest.ts"
import type { Model } from "../artifacts/model.ts"
import { headOf } from "./config.ts"
import type { FolderFile } from "./files.ts"

/** The name of a tensor in a task model's file: the body under `bert.`, the head beside it. */
const exportedName = (name: string): string => (placeOf(name) === "head" ? name : `bert.${name}`)

/** The tensors that an exported classifier has. One that reads the mean has no pooler, and none has heads of pre-training, whatever its base brought. */
export const exportedTensors = (model: Model): ReadonlyArray<TensorEntry> => {
  const { pooling } = headOf(model.manifest)
  return model.tensors.filter(
    ({ name }) => (pooling === "pooler" || placeOf(name) !== "pooler") && placeOf(name) !== "pretraining"
  )
}

/**
 * model.safetensors, float32, in the order of the names: the header, then a piece for each tensor, which is a view of the artifact.
 * `format: pt` is what transformers asks of a file it loads.
 */
export const weightsFile = (model: Model): FolderFile => {
  const tensors = exportedTensors(model)
  const header = tensors.map(({ name, shape }) => ({ name: exportedName(name), shape }))
  return {
    name: "model.safetensors",
    pieces: function* () {
      yield safetensorsHeader(header, { format: "pt" })
      for (const { name } of tensors) {
        const values = model.read(name)
        yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      }
    }
  }
}
