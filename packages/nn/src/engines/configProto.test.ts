import { afterEach, describe, expect, it, vi } from "vitest"
import { Builder } from "../graph/Builder.ts"
import { Graph } from "../graph/Graph.ts"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { finishProgram } from "../train/variables.ts"
import { configProto, gpuEnvironment } from "./configProto.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

afterEach(() => vi.unstubAllEnvs())

describe("ConfigProto", () => {
  it("says threads alone where no GPU options are given", () => {
    expect(hex(configProto({ threads: 2 }))).toBe("10022802")
    expect(hex(configProto({}))).toBe("")
  })

  // By hand from the field numbers of config.proto.
  it("holds the share of memory, growth and devices in gpu_options", () => {
    const gpu = { memory_fraction: 0.5, allow_growth: true, visible_devices: "1,0" }
    expect(hex(configProto({ threads: 4, gpu }))).toBe("10042804321009000000000000e03f20012a03312c30")
    expect(hex(configProto({ gpu: { allow_growth: false } }))).toBe("32022000")
  })

  it("has no field for TF32, and the addon takes none at all: variables that the libraries read as they load", () => {
    const gpu = { visible_devices: "1", tf32: false, allow_growth: false }
    expect(gpuEnvironment(gpu, true)).toEqual({ TF_FORCE_GPU_ALLOW_GROWTH: "false", NVIDIA_TF32_OVERRIDE: "0" })
    expect(gpuEnvironment(gpu, false)["CUDA_VISIBLE_DEVICES"]).toBe("1")
    expect(gpuEnvironment({}, false)).toEqual({ TF_FORCE_GPU_ALLOW_GROWTH: "true" })
  })
})

describe.skipIf(nativeEngines.length === 0)("GPU options", () => {
  const gpu = { memory_fraction: 0.45, allow_growth: true, visible_devices: "0", tf32: false }

  it("are parsed by TensorFlow, and change nothing where there is no GPU", async () => {
    vi.stubEnv("NVIDIA_TF32_OVERRIDE", "1")
    const graph = new Graph()
    const g = new Builder(graph, "twice")
    const x = g.feed("x", "float32", [])
    const program = finishProgram(graph, { twice: g.finish({ y: g.add(x, x) }) })
    const engine = await openForTest("capi", gpu)
    const session = await engine.open(program)
    expect((await session.run("twice", { x: 3 }))["y"]![0]).toBe(6)
    await session.close()
    expect(process.env["NVIDIA_TF32_OVERRIDE"]).toBe("0")
    expect(engine.numerics.tf32).toBe(engine.numerics.class === "tensorflow-cuda" ? false : undefined)
  })

  it.skipIf(!nativeEngines.includes("session"))(
    "that the addon cannot take are refused, with the engine that can",
    async () => {
      await expect(openForTest("session", gpu)).rejects.toThrow(/takes no share of a GPU's memory; capi does/)
    }
  )
})
