/** One place where set-up looked for the tensor engine, and what came of it. */
export interface EngineAttempt {
  readonly route: string
  readonly ok: boolean
  readonly reason: string
  readonly mend?: string
}

/** The engine file that set-up writes: which engine computes, and what it needs. */
export interface EngineFile {
  readonly engine: "session" | "capi" | "wasm"
  /** Of TensorFlow, or of tfjs's wasm backend. */
  readonly version: string
  /** Folder with libtensorflow_cc.so.2 and libtensorflow_framework.so.2; null on wasm. */
  readonly library: string | null
  readonly addon: string | null
  readonly numerics: {
    readonly class: string
    readonly version: string
    readonly dtype: string
    readonly tf32?: boolean
  }
  readonly device: "cpu" | "cuda"
  readonly threads: number
  readonly attempts: ReadonlyArray<EngineAttempt>
}

/** Something that keeps Hone from working, or from working at its best, and the command that mends it. */
export interface Finding {
  readonly what: string
  readonly mend: string | null
}

/** A folder of Hone's own, with the bytes below it. */
export interface CacheUse {
  readonly what: string
  readonly folder: string
  readonly bytes: number
}

/** What one kind of call does in a second, by the median call. */
export interface Rate {
  readonly tokens_per_second: number
  readonly flops_per_second: number
  readonly calls: number
  readonly fastest_ms: number
  readonly median_ms: number
}

/** What `--bench` measured on a model of MiniLM's shape. */
export interface Speed {
  readonly batch: string
  readonly threads: number
  /** Processes that wanted to run, over the last minute, this one among them. */
  readonly load: number
  /** Forward, backward, clipping, AdamW. */
  readonly train: Rate
  readonly infer: Rate
  /** What `npm start` would take at this rate. */
  readonly quick_start_seconds: number
}

/** What `hone doctor` knows about this clone on this machine. */
export interface DoctorReport {
  readonly runtime: { readonly version: string; readonly path: string; readonly pinned: boolean }
  readonly machine: {
    readonly platform: string
    readonly cpu: string
    readonly cores: number
    /** Bytes of main memory. */
    readonly memory: number
  }
  /** null where set-up has not run. */
  readonly engine: EngineFile | null
  /** Whether the engine's library (and addon) loaded just now, in a process of its own; null where nothing native is chosen. */
  readonly probe: { readonly ok: boolean; readonly seconds: number; readonly reason: string } | null
  readonly caches: ReadonlyArray<CacheUse>
  readonly findings: ReadonlyArray<Finding>
  /** What a person should know, although nothing is wrong. */
  readonly notes: ReadonlyArray<string>
  /** Absent unless asked for; null where it could not be measured, with a finding. */
  readonly speed?: Speed | null
}
