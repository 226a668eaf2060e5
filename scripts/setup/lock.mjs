// An exclusive lock between processes of one machine that dies with its holder.
import { createHash } from "node:crypto"
import { mkdirSync, realpathSync } from "node:fs"
import { createServer } from "node:net"

/**
 * Runs `work` while no other process on this machine holds the lock of the same folder.
 *
 * The lock is a listening Linux abstract socket: the kernel drops it when the holder ends, however it ends, and it leaves
 * no file behind. It does not reach across containers or hosts; those are kept apart by private folders and renames, and so
 * are the processes of other systems, which have no such sockets.
 *
 * @param folder what is protected; created where absent
 * @param onWait called once if another process holds it
 */
export async function withLock(folder, onWait, work) {
  if (process.platform !== "linux") return work()
  const name = `\0hone-setup-${createHash("sha256").update(realPath(folder)).digest("hex").slice(0, 40)}`
  let server = await take(name)
  if (!server) onWait()
  while (!server) {
    await new Promise((wake) => setTimeout(wake, 100))
    server = await take(name)
  }
  try {
    return await work()
  } finally {
    await new Promise((closed) => server.close(closed))
  }
}

/** The folder by its one true name; where it cannot be made, nothing in it needs a lock, and any name does. */
function realPath(folder) {
  try {
    mkdirSync(folder, { recursive: true })
    return realpathSync(folder)
  } catch {
    return folder
  }
}

function take(name) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once("error", (error) => (error.code === "EADDRINUSE" ? resolve(undefined) : reject(error)))
    server.listen(name, () => resolve(server))
  })
}
