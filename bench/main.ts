// `npm run bench -- WHAT [flags]`: see README.md.
const benches = {
  step: () => import("./step/run.ts"),
  job: () => import("./job/run.ts"),
  peers: () => import("./peers/run.ts"),
  sweep: () => import("./sweep/run.ts"),
  overhead: () => import("./overhead/run.ts"),
  wasm: () => import("./wasm/run.ts"),
  trust: () => import("./trust/run.ts")
}

const isBench = (name: string | undefined): name is keyof typeof benches => name !== undefined && name in benches

const [what, ...args] = process.argv.slice(2)
if (isBench(what)) {
  const { run } = await benches[what]()
  try {
    await run(args)
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
} else {
  const asked = what === undefined ? "which benchmark?" : `no benchmark "${what}"`
  process.stderr.write(
    `bench: ${asked} write one of: ${Object.keys(benches).join(", ")}; bench/README.md says what each does\n`
  )
  process.exitCode = 2
}
