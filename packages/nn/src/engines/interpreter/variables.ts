import { UnknownName } from "../Engine.ts"
import type { Device, Info } from "./device.ts"
import { webgpuAdam } from "./webgpuKernels.ts"

/** The variables of a session. They own one reference to their data. */
export class Variables {
  readonly #device: Device
  readonly #values = new Map<string, Info>()

  constructor(device: Device) {
    this.#device = device
  }

  get(name: string): Info {
    const info = this.#values.get(name)
    if (info === undefined) throw new UnknownName("variable", name, [...this.#values.keys()])
    return info
  }

  /** Takes over the caller's reference. */
  assign(name: string, info: Info): void {
    const old = this.#values.get(name)
    this.#values.set(name, info)
    if (old !== undefined) this.#device.free(old)
  }

  add(name: string, value: Info): void {
    if (!this.#device.mapped) return this.assign(name, this.#device.kernel("Add", { a: this.get(name), b: value }, {}))
    const target = this.#device.view(this.#own(name))
    const source = this.#device.view(value)
    for (let i = 0; i < target.length; i++) target[i]! += source[i]!
  }

  /**
   * One step of Adam, as TensorFlow's kernel does it.
   *
   * Moments change in place. The weight gets new memory under a new id: XNNPACK keeps what it packed for an id.
   */
  applyAdam(names: ReadonlyArray<string>, inputs: ReadonlyArray<Info>): void {
    if (!this.#device.mapped) {
      const old = names.map((name) => this.get(name))
      return webgpuAdam(this.#device, old, inputs).forEach((info, i) => this.assign(names[i]!, info))
    }
    const [weight, first, second] = names
    const moments = [this.#own(first!), this.#own(second!)]
    const old = this.get(weight!)
    const updated = this.#device.allocate(old.shape, "float32")
    const [beta1Power, beta2Power, learningRate, beta1, beta2, epsilon] = inputs
      .slice(0, 6)
      .map((info) => this.#device.view(info)[0]!)
    const gradient = this.#device.view(inputs[6]!)
    const [m, v] = moments.map((info) => this.#device.view(info))
    const w = this.#device.view(old)
    const result = this.#device.view(updated)
    const rate = (learningRate! * Math.sqrt(1 - beta2Power!)) / (1 - beta1Power!)
    const [keep1, keep2] = [1 - beta1!, 1 - beta2!]
    for (let i = 0; i < w.length; i++) {
      const g = gradient[i]!
      const m1 = m![i]! + (g - m![i]!) * keep1
      const v1 = v![i]! + (g * g - v![i]!) * keep2
      m![i] = m1
      v![i] = v1
      result[i] = w[i]! - (m1 * rate) / (Math.sqrt(v1) + epsilon!)
    }
    this.assign(weight!, updated)
  }

  close(): void {
    this.#values.forEach((info) => this.#device.free(info))
    this.#values.clear()
  }

  /** Data that nobody else sees, so that it may change: copied where it is shared. */
  #own(name: string): Info {
    const info = this.get(name)
    if (this.#device.exclusive(info)) return info
    const copy = this.#device.allocate(info.shape, "float32")
    this.#device.view(copy).set(this.#device.view(info))
    this.assign(name, copy)
    return copy
  }
}
