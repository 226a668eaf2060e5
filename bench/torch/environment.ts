import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { cacheFolder } from "../cacheFolder.ts"

const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url))

/** A Python with PyTorch and transformers, or one sentence on why there is none. */
export type TorchEnvironment = { readonly python: string } | { readonly missing: string }

const succeeds = (command: string, args: ReadonlyArray<string>, quiet: boolean): boolean =>
  spawnSync(command, args, { stdio: quiet ? "ignore" : ["ignore", "inherit", "inherit"] }).status === 0

/**
 * Makes the virtual environment of requirements.txt, once for each content of that file. A marker is written last, so that a
 * broken installation is made anew.
 *
 * All of PyTorch's wheel is installed, CUDA libraries included (6 GB): the wheel of the package index does not import without them.
 */
export const torchEnvironment = (): TorchEnvironment => {
  const digest = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12)
  const folder = join(cacheFolder(), `bench-venv-${digest}`)
  const python = join(folder, "bin", "python")
  const marker = join(folder, "ready")
  if (existsSync(marker)) return { python }
  if (!succeeds("python3", ["-c", "import venv, ensurepip"], true)) {
    return { missing: "PyTorch stands aside: there is no python3 with venv here, so only our side is printed." }
  }
  process.stderr.write("bench: installs PyTorch and transformers for comparison (3 GB to download, 6 GB on disk)\n")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const installed =
    succeeds("python3", ["-m", "venv", folder], false) &&
    succeeds(python, ["-m", "pip", "install", "-q", "--only-binary", ":all:", "-r", requirements], false)
  if (!installed) {
    rmSync(folder, { recursive: true, force: true })
    return { missing: "PyTorch stands aside: pip could not install it (see above), so only our side is printed." }
  }
  if (!succeeds(python, ["-c", "import torch, transformers, sklearn"], false)) {
    return { missing: "PyTorch stands aside: it is installed and does not import (see above)." }
  }
  writeFileSync(marker, `${new Date().toISOString()}\n`)
  return { python }
}
