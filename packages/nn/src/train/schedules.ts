/** The learning rate's factor at an optimizer step: `step` counts from 0, and so many were done before it. */
export type Schedule = (step: number, total: number, warmup: number) => number

const warmingUp = (step: number, warmup: number): number => step / Math.max(1, warmup)

/** Up from 0 over `warmup` steps, then 1. Source: transformers' `get_constant_schedule_with_warmup`. */
export const constant: Schedule = (step, _total, warmup) => (step < warmup ? warmingUp(step, warmup) : 1)

/** Up from 0 over `warmup` steps, then straight down to 0 at `total`. Source: transformers' `get_linear_schedule_with_warmup`. */
export const linear: Schedule = (step, total, warmup) =>
  step < warmup ? warmingUp(step, warmup) : Math.max(0, (total - step) / Math.max(1, total - warmup))

/** Up from 0 over `warmup` steps, then half a cosine down to 0 at `total`. Source: transformers' `get_cosine_schedule_with_warmup`. */
export const cosine: Schedule = (step, total, warmup) => {
  if (step < warmup) return warmingUp(step, warmup)
  const progress = (step - warmup) / Math.max(1, total - warmup)
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
}

export const schedules = { constant, linear, cosine } as const
export type ScheduleName = keyof typeof schedules
