import { Context } from "effect"
import type { Effect, Option } from "effect"
import type { ActionRecord, Preimage } from "./record/ActionRecord.ts"
import type { SourceHead, SourceRequest, Step } from "./Step.ts"
import type { EngineChoice } from "./Stage.ts"

/** The index of results by key. A record is given only if every blob that it names is there. */
export class ActionRecords extends Context.Service<
  ActionRecords,
  {
    readonly lookup: (key: string) => Effect.Effect<Option.Option<ActionRecord>>
    /** Records whose preimages differ from this one in input digests alone: see `shelfOf`. */
    readonly shelf: (preimage: Preimage) => Effect.Effect<ReadonlyArray<ActionRecord>>
    /** All records of a kind of stage, whether or not their blobs are still there: for explaining and foretelling. */
    readonly ofKind: (kind: string) => Effect.Effect<ReadonlyArray<ActionRecord>>
    /** The record that `key` had, whether or not its blobs are still there: for explaining, never for a hit. */
    readonly recall: (key: string) => Effect.Effect<Option.Option<ActionRecord>>
  }
>()("@hone/core/ActionRecords") {}

/** A source found: where it is, and the digest of its bytes. */
export interface ResolvedSource {
  readonly path: string
  readonly digest: string
  readonly head: SourceHead
}

/** Why a source cannot be read, in words for the user. */
export interface SourceProblem {
  readonly message: string
  readonly hint: string
}

/** Finds, digests and peeks into sources. Digests and heads are memoised by stat. */
export class Sources extends Context.Service<
  Sources,
  {
    readonly resolve: (
      request: SourceRequest,
      step: Step,
      params: unknown,
      /** What is said of it goes through this. */
      conceal: <A>(said: A) => A
    ) => Effect.Effect<ResolvedSource, SourceProblem>
  }
>()("@hone/core/Sources") {}

/** Digests of the code behind stages, made when the code was bundled. */
export class Implementations extends Context.Service<
  Implementations,
  {
    /** One digest over the module and the further parts that a stage selects. */
    readonly digest: (module: string, parts: ReadonlyArray<string>) => string
  }
>()("@hone/core/Implementations") {}

/** What set-up found to compute tensors with. */
export class Engine extends Context.Service<Engine, EngineChoice>()("@hone/core/Engine") {}

/** The keys under which each stage of a pipeline was last found or made: step -> stage -> key. What explaining compares with. */
export type LastKeys = Readonly<Record<string, Readonly<Record<string, string>>>>
