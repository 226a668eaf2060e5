import { averageDecay, averageName, release, type TrainingProgram, type Feeds, type Session } from "@hone/nn"
import { epochBatches, evaluationBatches } from "../tensors/batches.ts"
import { breathe } from "../tensors/engine.ts"
import type { SizedParams } from "./batchSize.ts"
import type { TrainingState } from "./checkpoint.ts"
import { bestOf, type HistoryRow } from "./history.ts"
import { rightLogits, type TrainingRows, type ValidationRows } from "./rows.ts"
import type { TrainingPlan } from "./schedule.ts"

export interface TrainerOptions {
  readonly session: Session
  readonly program: Pick<TrainingProgram, "averages" | "functions" | "optimizerState" | "trainable">
  readonly params: SizedParams
  readonly plan: TrainingPlan
  /** What the engine's losses are multiplied with before they are told: a regression trains in another unit than its targets'. */
  readonly lossUnit: number
  readonly train: TrainingRows
  readonly validation: ValidationRows | undefined
  /** uint32: orders and dropout are functions of it and of the step. */
  readonly seed: number
}

export interface Evaluated {
  readonly row: HistoryRow
  /** The share of rows of which a further head is right; null where there is none. */
  readonly furtherAccuracy: number | null
}

/** A loss or gradient that is no number, and the rows that gave it. */
export class NotANumber extends Error {
  override readonly name = "NotANumber"
  readonly optimizerStep: number
  readonly rowIds: ReadonlyArray<string>
  readonly what: "loss" | "gradient"
  constructor(what: "loss" | "gradient", optimizerStep: number, rowIds: ReadonlyArray<string>) {
    super(`the ${what} of optimizer step ${optimizerStep} is not a finite number`)
    this.what = what
    this.optimizerStep = optimizerStep
    this.rowIds = rowIds
  }
}

/** Walks the optimizer steps of one training over an open session. Plain code: what is shown, saved and stopped is decided around it. */
export class Trainer {
  readonly #options: TrainerOptions
  readonly #history: Array<HistoryRow> = []
  readonly #evaluations: Array<HistoryRow> = []
  #step = 0
  #epoch: { readonly number: number; readonly batches: ReadonlyArray<ReadonlyArray<number>> } | undefined
  #best: ReadonlyMap<string, Float32Array> | null = null

  constructor(options: TrainerOptions) {
    this.#options = options
  }

  /** Optimizer steps done. */
  get step(): number {
    return this.#step
  }

  get history(): ReadonlyArray<HistoryRow> {
    return this.#history
  }

  /** The rows of the history that are evaluations. */
  get evaluations(): ReadonlyArray<HistoryRow> {
    return this.#evaluations
  }

  /** The weights of the best evaluation; null without one. */
  get best(): ReadonlyMap<string, Float32Array> | null {
    return this.#best
  }

  /** Zeroes the optimizer and writes the weights that a training starts from. */
  async start(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    await this.#options.session.run("init_optimizer", {})
    await this.#options.session.write(weights)
    if (this.#averages) await this.#options.session.run("init_average", {})
  }

  /** Goes on from a state, after `start`. */
  async resume(state: TrainingState): Promise<void> {
    await this.#options.session.write(new Map([...state.weights, ...state.optimizer]))
    for (const row of state.history) this.#record(row)
    this.#step = state.optimizer_step
    this.#best = state.best
  }

  /** What `resume` needs. The best weights are the very map of the weights where this step was the best. */
  async state(): Promise<TrainingState> {
    const { program, session } = this.#options
    const isBest = !this.#averages && bestOf(this.#evaluations)?.optimizer_step === this.#step
    const weights = isBest && this.#best !== null ? this.#best : await session.read(program.trainable)
    const optimizer = await session.read(program.optimizerState)
    return { optimizer_step: this.#step, history: [...this.#history], weights, optimizer, best: this.#best }
  }

  /** One optimizer step over one or more batches. Fails with NotANumber. */
  async advance(): Promise<HistoryRow> {
    const { params, plan } = this.#options
    const step = this.#step
    const batches = this.#batchesOf(step)
    const learningRate = plan.learningRate(step)
    const feeds = { learning_rate: learningRate, optimizer_step: step + 1 }
    const { gradNorm, loss } =
      params.gradient_accumulation_steps === 1
        ? await this.#whole(batches[0]!, feeds)
        : await this.#accumulated(batches, feeds)
    this.#step = step + 1
    const rowIds = () => batches.flat().map((row) => this.#options.train.rowIds[row]!)
    if (!Number.isFinite(loss)) throw new NotANumber("loss", this.#step, rowIds())
    if (!Number.isFinite(gradNorm)) throw new NotANumber("gradient", this.#step, rowIds())
    if (this.#averages) {
      await this.#options.session.run("average", { decay: averageDecay(params.ema_decay, this.#step) })
    }
    const row: HistoryRow = {
      optimizer_step: this.#step,
      epoch: this.#step / plan.stepsPerEpoch,
      part: "train",
      loss: loss * this.#options.lossUnit,
      accuracy: null,
      learning_rate: learningRate,
      grad_norm: gradNorm
    }
    this.#record(row)
    return row
  }

  /** Mean loss and accuracy over the validation rows; keeps the weights where they are the best so far. */
  async evaluate(validation: ValidationRows): Promise<Evaluated> {
    const { lossUnit, plan } = this.#options
    const { count } = validation
    const { further, furtherRight, loss, right } = this.#averages
      ? await this.#withAverages(() => this.#measure(validation))
      : await this.#measure(validation)
    const row: HistoryRow = {
      optimizer_step: this.#step,
      epoch: this.#step / plan.stepsPerEpoch,
      part: "validation",
      loss: (loss / count + further / validation.rowIds.length) * lossUnit,
      accuracy: validation.right === null ? null : right / count,
      learning_rate: null,
      grad_norm: null
    }
    this.#record(row)
    if (bestOf(this.#evaluations)?.optimizer_step === this.#step) this.#best = await this.weights()
    const furtherAccuracy = validation.further === undefined ? null : furtherRight / validation.rowIds.length
    return { row, furtherAccuracy }
  }

  /** What is evaluated and kept: the weights as they are now, or their running averages where `ema_decay` is set. */
  async weights(): Promise<Map<string, Float32Array>> {
    const { program, session } = this.#options
    if (!this.#averages) return session.read(program.trainable)
    const averages = await session.read(program.averages)
    return new Map(program.trainable.map((name) => [name, averages.get(averageName(name))!]))
  }

  get #averages(): boolean {
    return this.#options.program.averages.length > 0
  }

  /** Does something while the averages stand in the place of the weights. */
  async #withAverages<A>(work: () => Promise<A>): Promise<A> {
    const { program, session } = this.#options
    const trained = await session.read(program.trainable)
    await session.write(await this.weights())
    const result = await work()
    await session.write(trained)
    return result
  }

  /** The sum of the losses of these rows and how many predictions are right, and the same of a further head. */
  async #measure(validation: ValidationRows) {
    const { params, session } = this.#options
    let loss = 0
    let right = 0
    let further = 0
    let furtherRight = 0
    for (const rows of evaluationBatches(validation.lengths, params.eval_batch_size)) {
      const feeds = validation.feeds(rows)
      const out = (await session.run("eval", feeds)) as Record<string, Float32Array>
      const { logits, losses } = out
      for (const value of losses!) loss += value
      if (validation.further !== undefined) {
        for (const value of out[`losses_${validation.further}`]!) further += value
        const labels = feeds[`labels_${validation.further}`] as Int32Array
        furtherRight += rightLogits(out[`logits_${validation.further}`]!, labels)
      }
      right += validation.right?.(rows, logits!) ?? 0
      release(out)
      await breathe()
    }
    return { loss, right, further, furtherRight }
  }

  #record(row: HistoryRow): void {
    this.#history.push(row)
    if (row.part === "validation") this.#evaluations.push(row)
  }

  /** The batches of one optimizer step; the last step of an epoch may have fewer. */
  #batchesOf(step: number): ReadonlyArray<ReadonlyArray<number>> {
    const { params, plan, seed, train } = this.#options
    const number = Math.floor(step / plan.stepsPerEpoch)
    if (this.#epoch?.number !== number) {
      const { batch_size, group_by_length } = params
      this.#epoch = {
        number,
        batches: epochBatches(train.lengths, {
          seed,
          epoch: number,
          batch_size,
          group_by_length,
          balance: train.balance
        })
      }
    }
    const size = params.gradient_accumulation_steps
    const first = (step % plan.stepsPerEpoch) * size
    return this.#epoch.batches.slice(first, first + size)
  }

  async #whole(rows: ReadonlyArray<number>, feeds: Feeds) {
    const { session } = this.#options
    const out = await session.run("train", {
      ...this.#feeds("train", rows, this.#options.train.weight(rows, this.#epoch!.number), {
        rows: rows.length,
        batch: 0
      }),
      ...feeds
    })
    return { loss: out["loss"]![0]!, gradNorm: out["grad_norm"]![0]! }
  }

  /** Each batch adds its share of the loss: all are divided by the weight of the whole effective batch. */
  async #accumulated(batches: ReadonlyArray<ReadonlyArray<number>>, feeds: Feeds) {
    const { session } = this.#options
    const count = batches.reduce((total, rows) => total + this.#options.train.weight(rows, this.#epoch!.number), 0)
    const all = batches.reduce((total, { length }) => total + length, 0)
    let loss = 0
    for (const [index, rows] of batches.entries()) {
      const out = await session.run("accumulate", this.#feeds("accumulate", rows, count, { rows: all, batch: index }))
      loss += out["loss"]![0]!
      await breathe()
    }
    const out = await session.run("apply", feeds)
    return { loss, gradNorm: out["grad_norm"]![0]! }
  }

  /** @param of the effective batch: how many rows it has, and which of its batches this is */
  #feeds(
    name: "train" | "accumulate",
    rows: ReadonlyArray<number>,
    count: number,
    of: { readonly rows: number; readonly batch: number }
  ): Feeds {
    const { params, program, seed, train } = this.#options
    const drops = "seed" in program.functions[name]!.feeds
    return {
      ...train.feeds(rows, this.#epoch!.number),
      count,
      ...(train.further === undefined ? {} : { [`count_${train.further}`]: of.rows }),
      ...(drops ? { seed: Int32Array.of(seed | 0, this.#step * params.gradient_accumulation_steps + of.batch) } : {})
    }
  }
}
