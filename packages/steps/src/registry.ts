import type { Registry } from "@hone/core/Pipeline"
import { base } from "./base/index.ts"
import { compareToBase } from "./compare-to-base/index.ts"
import { evaluate } from "./evaluate/index.ts"
import { exportStep } from "./export/index.ts"
import { freeze } from "./freeze/index.ts"
import { ingest } from "./ingest/index.ts"
import { split } from "./split/index.ts"
import { tokenize } from "./tokenize/index.ts"
import { train } from "./train/index.ts"

/** Every kind of step, by the name that `uses` takes. The command's list, the docs and the contract test are made from it. */
export const registry: Registry = Object.fromEntries(
  [ingest, base, tokenize, split, freeze, train, evaluate, compareToBase, exportStep].map((step) => [step.kind, step])
)
