// Preloaded into Hone's workers for an experiment: every stage gets a seed by chance, as if it drew from something that no key knows.
const emit = process.emit.bind(process) as (name: string, ...args: ReadonlyArray<unknown>) => boolean

if (process.argv[1]?.endsWith("worker.mjs") === true) {
  const unsteady = (name: string, ...args: ReadonlyArray<unknown>): boolean => {
    const [message, ...rest] = args
    if (name !== "message") return emit(name, ...args)
    return emit(name, { ...(message as object), seed: Math.floor(Math.random() * 2 ** 31) }, ...rest)
  }
  Object.assign(process, { emit: unsteady })
}
