import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import { canonicalJson, fingerprint } from "./Canonical.ts"

it.prop("key order never changes a fingerprint", [Schema.Record(Schema.String, Schema.Int)], ([record]) => {
  if (!Object.keys(record).every((key) => key.isWellFormed())) return // refused: RFC 8785 has no form for them
  const reversed = Object.fromEntries(Object.entries(record).reverse())
  assert.strictEqual(fingerprint("Params", reversed), fingerprint("Params", record))
})

// The examples of RFC 8785: keys by UTF-16 code unit, numbers as ECMAScript prints them.
it("writes numbers and keys as RFC 8785 says", () => {
  assert.strictEqual(
    canonicalJson([333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001]),
    "[333333333.3333333,1e+30,4.5,0.002,1e-27]"
  )
  assert.strictEqual(
    canonicalJson({
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew",
      "1": "One",
      "\u{1f600}": "Emoji",
      "\u0080": "Control"
    }),
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u20ac":"Euro Sign","\u{1f600}":"Emoji","\ufb33":"Hebrew"}'
  )
})

it("a tag keeps equal values of two kinds apart", () => {
  assert.notStrictEqual(fingerprint("a", { x: 1 }), fingerprint("b", { x: 1 }))
})

// A silent change of this literal would make every store in the world a miss.
it("the fingerprint of a pinned value is the one that stores hold", () => {
  assert.strictEqual(
    fingerprint("hone-key/1", { step: { kind: "split", version: 1 }, params: { test: 0.2 } }),
    "16ec60115e97c59cf0987e95b9108976314b986281e7cb20a766d3fdbabc4d19"
  )
})
