import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { join } from "node:path"
import { homeOf, storeFolder } from "../../store/Folder.ts"
import { setAside } from "../../store/Commit.ts"
import { remove } from "../../store/Files.ts"
import { strandedEntries } from "../../store/Shelf.ts"
import { verify } from "../../store/Verify.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { paint, print, printJson } from "../Output.ts"

const words = {
  record: "its text is not what was written",
  blob: "its bytes are not those of its name",
  missing: "it is gone",
  note: "its text is not what was written (no result hangs on it)",
  checkpoint: "it is not what was written (a training that goes on passes it over)"
} as const

/** A pipeline file, or the folder where the command stands. */
export const storeOf = (file: string | undefined) => storeFolder(homeOf(file ?? join(process.cwd(), "here")))

export const verifyVerb = Command.make(
  "verify",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("a pipeline whose store is meant; the one here by default"),
      Argument.optional
    ),
    json: Flags.json
  },
  Effect.fn("hone verify")(function* ({ file, json }) {
    const folder = storeOf(file._tag === "Some" ? file.value : undefined)
    const damage = yield* Effect.sync(() => verify(folder))
    for (const { path, what } of damage) if (what === "blob") setAside(folder, path)
    // A record that is gone is told once.
    for (const { path } of strandedEntries(folder)) remove(path)
    if (json) printJson({ damage })
    else if (damage.length === 0) print("every record and every file is what it was when it was written")
    else {
      for (const { path, spoils, what } of damage) {
        print(`${paint("red", path)}: ${words[what]}${spoils.length > 0 ? ` (a result of ${spoils.join(", ")})` : ""}`)
      }
      print(`\n${damage.length} damaged; none of it will be served: what made it runs again when it is needed`)
    }
    if (damage.length > 0) return yield* new Exit({ code: 1 })
  })
).pipe(Command.withDescription("Read everything in the store again and hold it against its digests"))
