import { randomBytes } from "node:crypto"
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { Effect, Schedule } from "effect"
import { isAlive, silentMillis } from "./Alive.ts"
import { remove } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"
import { namesIn } from "./Scan.ts"

const heartbeatMillis = 2000
const pollMillis = 200
// Two heartbeats missed, by the waiter's own clock: the holder's clock and the file system's may say anything.
const staleMillis = 2 * heartbeatMillis + pollMillis

interface Holder {
  readonly token: string
  readonly pid: number
  readonly host: string
}

const read = (path: string): { readonly holder: Holder | undefined; readonly beat: string } | undefined => {
  try {
    const beat = String(statSync(path, { bigint: true }).mtimeNs)
    const text = readFileSync(path, "utf8")
    return { holder: text === "" ? undefined : (JSON.parse(text) as Holder), beat }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    return { holder: undefined, beat: "" } // half written: its beat will tell
  }
}

const create = (folder: string, key: string, holder: Holder): "created" | "held" | "impossible" => {
  let fd: number
  try {
    fd = openSync(join(makeFolder(folder), key), "wx", 0o644)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EEXIST" ? "held" : "impossible"
  }
  try {
    writeSync(fd, JSON.stringify(holder))
    return "created"
  } catch {
    remove(join(folder, key)) // a lease without a holder would be waited for
    return "impossible"
  } finally {
    closeSync(fd)
  }
}

const isGone = (holder: Holder | undefined): boolean =>
  holder !== undefined && holder.host === hostname() && holder.pid !== process.pid && !isAlive(holder.pid)

/** Keys whose leases are held at `now` (ms since 1970), as far as anybody can tell: the holder is not known to be gone, and was heard of lately. */
export const heldLeases = (folder: StoreFolder, now: number): ReadonlySet<string> => {
  const leases = join(folder.root, "leases")
  return new Set(
    namesIn(leases).filter((key) => {
      const lease = read(join(leases, key))
      const stat = statSync(join(leases, key), { throwIfNoEntry: false })
      return lease !== undefined && !isGone(lease.holder) && stat !== undefined && now - stat.mtimeMs < silentMillis
    })
  )
}

/** Removes the leases that ended processes of this machine could not give back. */
export const sweepLeases = (folder: StoreFolder): void => {
  const leases = join(folder.root, "leases")
  for (const name of namesIn(leases)) if (isGone(read(join(leases, name))?.holder)) takeAway(join(leases, name))
}

/** Takes a lease away from a holder that is gone. Only one of several waiters succeeds in the rename. */
const takeAway = (path: string): void => {
  const aside = `${path}.${randomBytes(4).toString("hex")}.gone`
  try {
    renameSync(path, aside)
    rmSync(aside, { force: true })
  } catch {
    // Another waiter was first, or the holder let go.
  }
}

const beat = (path: string) =>
  Effect.sync(() => {
    try {
      const now = new Date()
      utimesSync(path, now, now)
    } catch {
      // It was taken away: what this process makes is still welcome, the store takes the first.
    }
  })

/**
 * Makes a result that other processes may be making too: `make` runs while this process holds the key's lease; where another holds it,
 * its result is waited for (`look`). A holder that dies or stops is replaced after two missed heartbeats. Leases save work and never
 * decide: records are created exclusively, so two who make the same are harmless.
 */
export const withLease = <A, E, R, R2>(
  folder: StoreFolder,
  key: string,
  options: {
    readonly make: Effect.Effect<A, E, R>
    /** The other's result, once it is there. */
    readonly look: Effect.Effect<A | undefined, never, R2>
    readonly waiting: () => void
  }
): Effect.Effect<A, E, R | R2> =>
  Effect.gen(function* () {
    const leases = join(folder.root, "leases")
    const path = join(leases, key)
    const me: Holder = { token: randomBytes(8).toString("hex"), pid: process.pid, host: hostname() }
    let seen = ""
    let since = performance.now()
    let told = false
    for (;;) {
      const created = create(leases, key, me)
      // Where no lease can be written (a full disk) the work goes on without: it only saves doing it twice.
      if (created === "impossible") return yield* options.make
      if (created === "created") {
        return yield* Effect.acquireUseRelease(
          Effect.forkChild(Effect.repeat(beat(path), Schedule.spaced(heartbeatMillis))),
          // The other may have finished between the look that missed and the lease that was free.
          () => Effect.flatMap(options.look, (made) => (made === undefined ? options.make : Effect.succeed(made))),
          () =>
            Effect.sync(() => {
              if (read(path)?.holder?.token === me.token) remove(path)
            })
        )
      }
      const made = yield* options.look
      if (made !== undefined) return made
      const lease = read(path)
      if (lease === undefined) continue
      if (lease.beat !== seen) [seen, since] = [lease.beat, performance.now()]
      if (isGone(lease.holder) || performance.now() - since > staleMillis) {
        takeAway(path)
        continue
      }
      if (!told) options.waiting()
      told = true
      yield* Effect.sleep(pollMillis)
    }
  })
