// The builds of TensorFlow that set-up can fetch, pinned by the sha256 of their wheels, and the files Hone keeps of them.

export const tensorflowVersion = "2.21.0"
export const libraryName = "libtensorflow_cc.so.2"
export const frameworkName = "libtensorflow_framework.so.2"

// The headers that the addon's sources reach (14 of the wheel's 13 000 files).
const headers = /^include\/(tensorflow\/c\/|xla\/tsl\/c\/|tsl\/platform\/ctstring|tensorflow\/core\/platform\/ctstring)/

/**
 * The CPU build. One wheel is enough; `instead` lists the same library built beside another Python, for a package index
 * that lacks the first.
 */
export const cpuBuild = {
  folder: `${tensorflowVersion}-cpu`,
  packages: [
    {
      name: "tensorflow-cpu",
      version: tensorflowVersion,
      wheels: [
        { python: "3.11", sha256: "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c" },
        { python: "3.12", sha256: "dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb" }
      ]
    }
  ],
  downloadBytes: 273_829_956,
  unpackedBytes: 854_000_000,
  library: ".",
  keep: (name) => {
    if (!name.startsWith("tensorflow/")) return undefined
    const inside = name.slice("tensorflow/".length)
    return inside === libraryName || inside === frameworkName || headers.test(inside) ? inside : undefined
  }
}
