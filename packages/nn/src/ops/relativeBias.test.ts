import { expect, it } from "vitest"
import { bucketsOf } from "./relativeBias.ts"

/** The first distance of each run of one bucket, and the bucket. */
const runs = (buckets: ReadonlyArray<number>, maxDistance: number) =>
  buckets.flatMap((bucket, i) => (i > 0 && bucket === buckets[i - 1] ? [] : [[i - maxDistance, bucket]]))

// Printed by transformers 5.23.0's T5Attention._relative_position_bucket for every distance from -128 to 128 under T5's own sizes.
it("distances fall into the buckets of transformers", () => {
  expect(runs(bucketsOf(32, 128, "both"), 128)).toEqual([
    ...[
      [-128, 15],
      [-90, 14],
      [-63, 13],
      [-45, 12],
      [-31, 11],
      [-22, 10],
      [-15, 9],
      [-11, 8],
      [-7, 7],
      [-6, 6],
      [-5, 5]
    ],
    ...[
      [-4, 4],
      [-3, 3],
      [-2, 2],
      [-1, 1],
      [0, 0],
      [1, 17],
      [2, 18],
      [3, 19],
      [4, 20],
      [5, 21],
      [6, 22],
      [7, 23],
      [8, 24]
    ],
    ...[
      [12, 25],
      [16, 26],
      [23, 27],
      [32, 28],
      [46, 29],
      [64, 30],
      [91, 31]
    ]
  ])
  expect(runs(bucketsOf(32, 128, "past"), 128)).toEqual([
    ...[
      [-128, 31],
      [-112, 30],
      [-98, 29],
      [-86, 28],
      [-76, 27],
      [-66, 26],
      [-58, 25],
      [-51, 24],
      [-45, 23],
      [-39, 22]
    ],
    ...[
      [-34, 21],
      [-30, 20],
      [-26, 19],
      [-23, 18],
      [-20, 17],
      [-18, 16],
      [-15, 15],
      [-14, 14],
      [-13, 13],
      [-12, 12]
    ],
    ...[
      [-11, 11],
      [-10, 10],
      [-9, 9],
      [-8, 8],
      [-7, 7],
      [-6, 6],
      [-5, 5],
      [-4, 4],
      [-3, 3],
      [-2, 2],
      [-1, 1],
      [0, 0]
    ]
  ])
})
