// Type-checks with the Effect-aware compiler where its platform package is installed, else with plain tsc.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const aware = `${root}node_modules/@effect/tsgo-linux-x64/artifacts/typescript/7.0.2/tsc`
const plain = `${root}node_modules/.bin/tsc`
const { status } = spawnSync(existsSync(aware) ? aware : plain, process.argv.slice(2), { stdio: "inherit" })
process.exit(status ?? 1)
