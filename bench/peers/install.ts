import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cacheFolder } from "../cacheFolder.ts"

/** A peer's command with its version, or one sentence on why it stands aside. */
export type Installed = { readonly command: string; readonly version: string } | { readonly missing: string }

const versions = { turbo: "2.11.11", nx: "23.2.1", dvc: "3.67.1", snakemake: "9.27.1" } as const

export type PeerName = keyof typeof versions

const succeeds = (command: string, args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] }).status === 0

const fromPyPI = (name: PeerName): boolean => name === "dvc" || name === "snakemake"

const commandIn = (folder: string, name: PeerName): string =>
  fromPyPI(name) ? join(folder, "bin", name) : join(folder, "node_modules", ".bin", name)

const put = (name: PeerName, folder: string): boolean =>
  fromPyPI(name)
    ? succeeds("python3", ["-m", "venv", folder]) &&
      succeeds(join(folder, "bin", "python"), ["-m", "pip", "install", "-q", `${name}==${versions[name]}`])
    : succeeds("npm", ["install", "--silent", "--no-save", "--prefix", folder, `${name}@${versions[name]}`])

/** Installs a peer at its pinned version into Hone's cache, once: from npm, or from PyPI into a virtual environment. */
export const installPeer = (name: PeerName): Installed => {
  const version = versions[name]
  const folder = join(cacheFolder(), `bench-${name}-${version}`)
  const marker = join(folder, "ready")
  const command = commandIn(folder, name)
  if (existsSync(marker)) return { command, version }
  process.stderr.write(`bench: installs ${name} ${version} for comparison\n`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  if (!put(name, folder) || !existsSync(command)) {
    rmSync(folder, { recursive: true, force: true })
    return { missing: `${name} stands aside: it could not be installed here` }
  }
  // Last, so that a broken installation is made anew.
  writeFileSync(marker, "")
  return { command, version }
}
