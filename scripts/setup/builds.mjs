// The builds of TensorFlow that set-up can fetch, pinned by the sha256 of their wheels, and the files Hone keeps of them.

const tensorflowVersion = "2.21.0"
export const libraryName = "libtensorflow_cc.so.2"
export const frameworkName = "libtensorflow_framework.so.2"

// The headers that the addon's sources reach (14 of the wheel's 13 000 files).
const headers = /^include\/(tensorflow\/c\/|xla\/tsl\/c\/|tsl\/platform\/ctstring|tensorflow\/core\/platform\/ctstring)/

function isOfTensorflow(inside) {
  return inside === libraryName || inside === frameworkName || headers.test(inside)
}

/**
 * The CPU build. Of a package's wheels one is enough: they hold the same library, built beside different Pythons, and the
 * next is asked for where a package index lacks the one before.
 */
export const cpuBuild = {
  folder: `${tensorflowVersion}-cpu`,
  library: ".",
  unpackedBytes: 854_000_000,
  packages: [
    {
      name: "tensorflow-cpu",
      version: tensorflowVersion,
      bytes: 273_829_956,
      wheels: [
        { python: "3.11", sha256: "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c" },
        { python: "3.12", sha256: "dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb" }
      ]
    }
  ],
  keep: (name) => {
    const inside = name.startsWith("tensorflow/") ? name.slice("tensorflow/".length) : ""
    return isOfTensorflow(inside) ? inside : undefined
  }
}

/**
 * The CUDA build: `tensorflow[and-cuda]` without nvcc, which only XLA needs. The library finds NVIDIA's by its RUNPATH
 * `$ORIGIN/../nvidia/<part>/lib`, so the wheels' layout stays.
 */
export const cudaBuild = {
  folder: `${tensorflowVersion}-cuda`,
  library: "tensorflow",
  unpackedBytes: 5_580_000_000,
  packages: [
    {
      name: "tensorflow",
      version: "2.21.0",
      bytes: 572_440_367,
      wheels: [{ python: "3.11", sha256: "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124" }]
    },
    {
      name: "nvidia-cublas-cu12",
      version: "12.9.3.13",
      bytes: 581_217_458,
      wheels: [{ python: "3.11", sha256: "d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72" }]
    },
    {
      name: "nvidia-cuda-cupti-cu12",
      version: "12.8.90",
      bytes: 10_248_621,
      wheels: [{ python: "3.11", sha256: "ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182" }]
    },
    {
      name: "nvidia-cuda-nvrtc-cu12",
      version: "12.9.86",
      bytes: 89_568_129,
      wheels: [{ python: "3.11", sha256: "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4" }]
    },
    {
      name: "nvidia-cuda-runtime-cu12",
      version: "12.9.79",
      bytes: 3_493_179,
      wheels: [{ python: "3.11", sha256: "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3" }]
    },
    {
      name: "nvidia-cudnn-cu12",
      version: "9.28.0.42",
      bytes: 716_538_495,
      wheels: [{ python: "3.11", sha256: "9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375" }]
    },
    {
      name: "nvidia-cufft-cu12",
      version: "11.4.1.4",
      bytes: 200_877_592,
      wheels: [{ python: "3.11", sha256: "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28" }]
    },
    {
      name: "nvidia-curand-cu12",
      version: "10.3.10.19",
      bytes: 68_295_626,
      wheels: [{ python: "3.11", sha256: "49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e" }]
    },
    {
      name: "nvidia-cusolver-cu12",
      version: "11.7.5.82",
      bytes: 338_117_415,
      wheels: [{ python: "3.11", sha256: "15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88" }]
    },
    {
      name: "nvidia-cusparse-cu12",
      version: "12.5.10.65",
      bytes: 366_465_088,
      wheels: [{ python: "3.11", sha256: "73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78" }]
    },
    {
      name: "nvidia-nccl-cu12",
      version: "2.32.3",
      bytes: 351_526_311,
      wheels: [{ python: "3.11", sha256: "bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c" }]
    },
    {
      name: "nvidia-nvjitlink-cu12",
      version: "12.9.86",
      bytes: 39_748_338,
      wheels: [{ python: "3.11", sha256: "e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9" }]
    }
  ],
  keep: (name) => {
    if (/^nvidia\/[^/]+\/lib\/[^/]+\.so(\.|$)/.test(name)) return name
    return name.startsWith("tensorflow/") && isOfTensorflow(name.slice("tensorflow/".length)) ? name : undefined
  }
}

/** Bytes that come down for a build. */
export function downloadBytes(build) {
  return build.packages.reduce((sum, { bytes }) => sum + bytes, 0)
}
