/** Writes the gradient at `point` into `gradient` and returns the value. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number

export interface Minimum {
  readonly point: Float64Array
  readonly value: number
  readonly iterations: number
  /** Whether the largest entry of the gradient came below the tolerance. */
  readonly converged: boolean
}

export interface MinimizeOptions {
  /** Largest entry of the gradient at which to stop. */
  readonly tolerance: number
  readonly maxIterations: number
  /** Steps remembered for the curvature. */
  readonly memory?: number
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!
  return sum
}

const largest = (values: Float64Array): number => {
  let most = 0
  for (const value of values) most = Math.max(most, Math.abs(value))
  return most
}

interface CurvaturePair {
  readonly step: Float64Array
  readonly change: Float64Array
  /** 1 / (step . change) */
  readonly scale: number
}

/**
 * A minimum of a smooth function by L-BFGS with a line search for the strong Wolfe conditions. Deterministic.
 * Source: Nocedal and Wright 2006, algorithms 7.4, 7.5, 3.5 and 3.6.
 */
export const minimize = (objective: Objective, start: Float64Array, options: MinimizeOptions): Minimum => {
  const { maxIterations, memory = 10, tolerance } = options
  const pairs: Array<CurvaturePair> = []
  let point = start.slice()
  let gradient = new Float64Array(point.length)
  let value = objective(point, gradient)
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (largest(gradient) <= tolerance) return { point, value, iterations: iteration, converged: true }
    const direction = descent(gradient, pairs)
    const first = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1
    const found = lineSearch(objective, point, value, gradient, direction, first)
    // No lower point along a direction of descent: the function's own rounding is reached.
    if (found === undefined) return { point, value, iterations: iteration, converged: false }
    const step = found.point.map((entry, at) => entry - point[at]!)
    const change = found.gradient.map((entry, at) => entry - gradient[at]!)
    const curvature = dot(step, change)
    if (curvature > 1e-14 * dot(change, change)) pairs.push({ step, change, scale: 1 / curvature })
    if (pairs.length > memory) pairs.shift()
    ;({ gradient, point, value } = found)
  }
  return { point, value, iterations: maxIterations, converged: largest(gradient) <= tolerance }
}

/** Minus the gradient through the inverse curvature that the remembered steps show: the two-loop recursion. */
const descent = (gradient: Float64Array, pairs: ReadonlyArray<CurvaturePair>): Float64Array => {
  const direction = gradient.map((entry) => -entry)
  const weights = pairs.map(() => 0)
  for (let of = pairs.length - 1; of >= 0; of--) {
    const { change, scale, step } = pairs[of]!
    weights[of] = scale * dot(step, direction)
    for (let at = 0; at < direction.length; at++) direction[at]! -= weights[of]! * change[at]!
  }
  const newest = pairs.at(-1)
  const size = newest === undefined ? 1 : 1 / (newest.scale * dot(newest.change, newest.change))
  for (let at = 0; at < direction.length; at++) direction[at]! *= size
  pairs.forEach(({ change, scale, step }, of) => {
    const correction = weights[of]! - scale * dot(change, direction)
    for (let at = 0; at < direction.length; at++) direction[at]! += correction * step[at]!
  })
  return direction
}

interface Trial {
  readonly length: number
  readonly point: Float64Array<ArrayBuffer>
  readonly gradient: Float64Array<ArrayBuffer>
  readonly value: number
  /** The derivative along the direction. */
  readonly slope: number
}

const DECREASE = 1e-4
const CURVATURE = 0.9

const lineSearch = (
  objective: Objective,
  point: Float64Array,
  value: number,
  gradient: Float64Array,
  direction: Float64Array,
  first: number
): Trial | undefined => {
  const slope = dot(gradient, direction)
  if (!(slope < 0)) return undefined
  const tryLength = (length: number): Trial => {
    const at = point.map((entry, index) => entry + length * direction[index]!)
    const gradientAt = new Float64Array(point.length)
    const valueAt = objective(at, gradientAt)
    return { length, point: at, gradient: gradientAt, value: valueAt, slope: dot(gradientAt, direction) }
  }
  const isHigh = (trial: Trial) => !(trial.value <= value + DECREASE * trial.length * slope)
  const isFlat = (trial: Trial) => Math.abs(trial.slope) <= -CURVATURE * slope
  let before: Trial = { length: 0, point: new Float64Array(point), gradient: new Float64Array(gradient), value, slope }
  let length = first
  for (let tries = 0; tries < 30; tries++) {
    const trial = tryLength(length)
    if (isHigh(trial) || (tries > 0 && trial.value >= before.value))
      return zoom(tryLength, isHigh, isFlat, before, trial)
    if (isFlat(trial)) return trial
    if (trial.slope >= 0) return zoom(tryLength, isHigh, isFlat, trial, before)
    before = trial
    length *= 2
  }
  return before.length > 0 ? before : undefined
}

/** Narrows an interval that holds a point with both conditions; `low` is its better end. */
const zoom = (
  tryLength: (length: number) => Trial,
  isHigh: (trial: Trial) => boolean,
  isFlat: (trial: Trial) => boolean,
  low: Trial,
  high: Trial
): Trial | undefined => {
  for (let tries = 0; tries < 40; tries++) {
    const trial = tryLength(between(low, high))
    if (isHigh(trial) || trial.value >= low.value) high = trial
    else {
      if (isFlat(trial)) return trial
      if (trial.slope * (high.length - low.length) >= 0) high = low
      low = trial
    }
  }
  return low.length > 0 ? low : undefined
}

/** The least of the parabola through both values and the slope at `low`, kept off the ends. */
const between = (low: Trial, high: Trial): number => {
  const width = high.length - low.length
  const bend = high.value - low.value - low.slope * width
  const share = bend > 0 ? (-low.slope * width) / (2 * bend) : 0.5
  return low.length + width * Math.min(0.9, Math.max(0.1, Number.isFinite(share) ? share : 0.5))
}
