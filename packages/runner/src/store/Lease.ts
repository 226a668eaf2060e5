import { randomBytes } from "node:crypto"
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { isAlive, ownerTag, silentMillis } from "./Alive.ts"
import { removeFile } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"
import { namesIn } from "./Scan.ts"

const heartbeatMillis = 2000
const pollMillis = 200
// Two heartbeats missed, by the waiter's own clock: the holder's clock and the file system's may say anything.
const staleMillis = 2 * heartbeatMillis + pollMillis

/** Ends the name of the file that a process's leases are further names of. */
const holderSuffix = ".holder"

const placeOf = (folder: StoreFolder): string => join(folder.root, "leases")

interface Holder {
  readonly token: string
  readonly pid: number
  readonly host: string
}

const read = (path: string): { readonly holder: Holder | undefined; readonly beat: string } | undefined => {
  try {
    const beat = String(statSync(path, { bigint: true }).mtimeNs)
    return { holder: JSON.parse(readFileSync(path, "utf8")) as Holder, beat }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    return { holder: undefined, beat: "" } // it cannot be read: whether its beat changes will tell
  }
}

const isGone = (holder: Holder | undefined): boolean =>
  holder !== undefined && holder.host === hostname() && holder.pid !== process.pid && !isAlive(holder.pid)

/** Keys whose leases are held at `now` (ms since 1970), as far as anybody can tell: the holder is not known to be gone, and was heard of lately. */
export const heldLeases = (folder: StoreFolder, now: number): ReadonlySet<string> => {
  const leases = placeOf(folder)
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
  const leases = placeOf(folder)
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

/** What this process holds in a store: its leases are names of one file, so that a heartbeat is one call, and a lease no new file. */
interface Holding {
  readonly path: string
  readonly token: string
  /** When each lease was taken, by its path and the clock that never jumps. */
  readonly since: Map<string, number>
  readonly heartbeat: NodeJS.Timeout
}

/** By the folder of leases. */
const holdings = new Map<string, Holding>()

const beat = (path: string): void => {
  try {
    const now = new Date()
    utimesSync(path, now, now)
  } catch {
    // It was taken away: what this process makes is still welcome, the store takes the first.
  }
}

/** Throws where the system refuses. */
const holdingIn = (leases: string): Holding => {
  const known = holdings.get(leases)
  if (known !== undefined) return known
  const path = join(makeFolder(leases), `${ownerTag}${holderSuffix}`)
  const token = randomBytes(8).toString("hex")
  removeFile(path) // of an ended process with the same number
  writeFileSync(path, JSON.stringify({ token, pid: process.pid, host: hostname() } satisfies Holder), { flag: "wx" })
  const heartbeat = setInterval(() => beat(path), heartbeatMillis).unref()
  const holding: Holding = { path, token, since: new Map(), heartbeat }
  holdings.set(leases, holding)
  return holding
}

const take = (folder: StoreFolder, path: string): Holding | "held" | "impossible" => {
  let holding: Holding
  try {
    holding = holdingIn(placeOf(folder))
  } catch {
    return "impossible"
  }
  try {
    linkSync(holding.path, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return "held"
    endLeases(folder) // what it links to may be gone: the next try makes it anew
    return "impossible"
  }
  holding.since.set(path, performance.now())
  return holding
}

/** A lease is only removed by its holder: one that was taken away is another's now. Before two heartbeats are due it cannot be. */
const letGo = ({ since, token }: Holding, path: string): void => {
  const taken = since.get(path) ?? 0
  since.delete(path)
  if (performance.now() - taken < heartbeatMillis || read(path)?.holder?.token === token) removeFile(path)
}

/** This process takes no more leases in a store. */
export const endLeases = (folder: StoreFolder): void => {
  const holding = holdings.get(placeOf(folder))
  if (holding === undefined) return
  holdings.delete(placeOf(folder))
  clearInterval(holding.heartbeat)
  removeFile(holding.path)
}

/** What became of a try to make a result: it is there, or another process holds its lease. */
type Tried<A> = { readonly made: A } | { readonly held: true }

interface Making<A, E, R> {
  /** Is given what ends its turn before its own end. */
  readonly make: (giveBack: Effect.Effect<void>) => Effect.Effect<A, E, R>
  /** The result of another process, once it is there. */
  readonly look: Effect.Effect<A | undefined, never, R>
}

/**
 * Makes a result while this process holds the key's lease; `held` where another does. Leases save work and never decide: records are created
 * exclusively, so two who make the same are harmless.
 */
const tryLease = <A, E, R>(
  folder: StoreFolder,
  key: string,
  { look, make }: Making<A, E, R>,
  giveBack: Effect.Effect<void>
): Effect.Effect<Tried<A>, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const path = join(placeOf(folder), key)
    const taken = take(folder, path)
    if (taken === "held") return Effect.succeed<Tried<A>>({ held: true })
    const making = Effect.map(make(giveBack), (made): Tried<A> => ({ made }))
    // Where no lease can be written (a full disk) the work goes on without: it only saves doing it twice.
    if (taken === "impossible") return restore(making)
    // The other may have finished between the look that missed and the lease that was free.
    const looked = Effect.flatMap(look, (made) => (made === undefined ? making : Effect.succeed<Tried<A>>({ made })))
    return Effect.ensuring(
      restore(looked),
      Effect.sync(() => letGo(taken, path))
    )
  })

/** Waits until the lease is free, or the result is there. A holder that dies or stops loses it after two missed heartbeats. */
const waitForOther = <A, R>(
  folder: StoreFolder,
  key: string,
  look: Effect.Effect<A | undefined, never, R>,
  waiting: () => void
) =>
  Effect.gen(function* () {
    const path = join(placeOf(folder), key)
    let seen = ""
    let since = performance.now()
    for (;;) {
      const made = yield* look
      if (made !== undefined) return made
      const lease = read(path)
      if (lease === undefined) return undefined
      if (lease.beat !== seen) [seen, since] = [lease.beat, performance.now()]
      if (isGone(lease.holder) || performance.now() - since > staleMillis) {
        takeAway(path)
        return undefined
      }
      waiting()
      yield* Effect.sleep(pollMillis)
    }
  })

/**
 * Makes a result that other processes may be making too, or waits for theirs. `turn` is what bounds how many are made at once in this
 * process; it is not held while another's result is waited for.
 */
export const withLease = <A, E, R>(
  folder: StoreFolder,
  key: string,
  options: Making<A, E, R> & {
    readonly turn: <B, E2, R2>(
      work: (giveBack: Effect.Effect<void>) => Effect.Effect<B, E2, R2>
    ) => Effect.Effect<B, E2, R2 | R>
    readonly waiting: () => void
  }
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    let isTold = false
    const waiting = () => {
      if (!isTold) options.waiting()
      isTold = true
    }
    for (;;) {
      const tried = yield* options.turn((giveBack) => tryLease(folder, key, options, giveBack))
      if ("made" in tried) return tried.made
      const other = yield* waitForOther(folder, key, options.look, waiting)
      if (other !== undefined) return other
    }
  })
