import { defineConfig } from "vitest/config"

// Two lanes: `npm test` runs what is fast, `npm run test:slow` the files named *.slow.test.ts. A slow file that is named on
// the command line runs in any case.
const isSlowLane = process.env["HONE_LANE"] === "slow"
const isNamed = process.argv.some((argument) => argument.includes(".slow"))
const places = ["packages/*/src/**", "test/**"]
const minute = 60_000

export default defineConfig({
  test: {
    include: places.map((place) => `${place}/*.${isSlowLane ? "slow.test" : "test"}.ts`),
    exclude: isSlowLane || isNamed ? [] : ["**/*.slow.test.ts"],
    // Native code (TensorFlow, tokenizers) lives in processes of its own: a crash ends one file.
    pool: "forks",
    testTimeout: isSlowLane || isNamed ? 15 * minute : minute,
    hookTimeout: isSlowLane || isNamed ? 5 * minute : minute
  }
})
