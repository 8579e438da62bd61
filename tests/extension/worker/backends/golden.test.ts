import assert from "node:assert/strict";
import { test } from "node:test";

import type { ModelSource } from "../../../../extension_src/src/worker/backends/backend.ts";
import {
  parseGolden,
  SelfTestFailed,
  testDecoder,
  testEncoder,
  type DecoderGolden,
  type EncoderGolden,
} from "../../../../extension_src/src/worker/backends/golden.ts";
import { fakeBackend, type FakeOptions } from "../../support/fake_backend.ts";

const SOURCE = {} as ModelSource;
const LIMITS = { layers: 1, kv_heads: 1, head_dim: 4, cache_tokens: 8 };
const BOUNDS = { format: 1, tolerance: 0.01, spread: 10 } as const;

/** Token `n` of the vocabulary of 8 is the more likely the nearer it is to the sum of all ids. */
const distance = (ids: readonly number[]): readonly number[] =>
  Array.from({ length: 8 }, (_, id) => -Math.abs(ids.reduce((sum, one) => sum + one, 0) - id));

/** Continues, cuts back and begins anew. */
const STEPS: DecoderGolden["steps"] = [
  { ids: [1, 2], top: 3, at: [3, 7], logits: [0, -4] },
  { ids: [1, 2, 3], top: 6, at: [0], logits: [-6] },
  { ids: [1, 1], top: 2, at: [2], logits: [0] },
  { ids: [5], top: 5, at: [5], logits: [0] },
];

async function tested(
  changes: Partial<FakeOptions> = {},
  golden: Partial<DecoderGolden> = {},
): Promise<void> {
  const backend = fakeBackend({ id: "engine-simd", logits: distance, ...changes });
  const decoder = await backend.decoder(SOURCE, LIMITS);
  await testDecoder(decoder, { ...BOUNDS, kind: "decoder", steps: STEPS, ...golden });
}

test("a decoder that computes rightly passes", async () => {
  await tested();
});

test("a number that is off by more than rounding explains fails with its place", async () => {
  const logits = (ids: readonly number[]): readonly number[] =>
    distance(ids).map((logit, id) => (id === 7 ? logit + 0.11 : logit));
  await assert.rejects(
    tested({ logits }),
    new SelfTestFailed("step 0, token 7: must be -4.00000, got -3.89000 (1.10 % of the spread, at most 1 %)"),
  );
});

test("another choice fails, although no number that is compared is off", async () => {
  const logits = (ids: readonly number[]): readonly number[] =>
    distance(ids).map((logit, id) => (id === 6 ? logit + 4 : logit));
  await assert.rejects(tested({ logits }), { message: "step 0: must choose token 3, got 6" });
});

test("a choice between near equals is anybody's", async () => {
  const steps = STEPS.map((step) => ({ ...step, top: null }));
  const logits = (ids: readonly number[]): readonly number[] =>
    distance(ids).map((logit, id) => (id === 6 ? logit + 4 : logit));
  await tested({ logits }, { steps });
});

test("too few logits fail", async () => {
  await assert.rejects(tested({ logits: () => [] }), { message: /^step 0, token 3: must be 0.00000, got NaN/ });
});

test("an encoder that gives too few rows or labels fails", async () => {
  const golden: EncoderGolden = {
    ...BOUNDS,
    kind: "encoder",
    batches: [{ rows: [[3]], logits: [[3, 1, 5]], decisions: [[true, true, null]] }],
  };
  const encoder = await fakeBackend({ id: "engine-simd" }).encoder(SOURCE, {
    max_tokens: 4,
    batch_tokens: 4,
    pad_id: 0,
  });
  await assert.rejects(testEncoder(encoder, golden, [0.5, 0.5, 0.5]), {
    message: "batch 0, row 0: must have 3 logits, got 2",
  });
});

test("a decision that is too near to call is not compared", async () => {
  const encoder = await fakeBackend({ id: "engine-simd", logits: () => [0.01] }).encoder(SOURCE, {
    max_tokens: 4,
    batch_tokens: 4,
    pad_id: 0,
  });
  const batch = { rows: [[3]], logits: [[-0.01]] };
  const golden = { ...BOUNDS, kind: "encoder" } as const;
  await testEncoder(encoder, { ...golden, batches: [{ ...batch, decisions: [[null]] }] }, [0.5]);
  await assert.rejects(
    testEncoder(encoder, { ...golden, batches: [{ ...batch, decisions: [[false]] }] }, [0.5]),
    SelfTestFailed,
  );
});

test("golden inputs of the other kind, or of a later format, are refused", () => {
  const bytes = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const golden = { ...BOUNDS, kind: "decoder", steps: STEPS };
  assert.deepEqual(parseGolden(bytes(golden), "decoder"), golden);
  assert.throws(() => parseGolden(bytes(golden), "encoder"), {
    message: "golden: must be of format 1 and kind encoder, got 1 and decoder",
  });
  assert.throws(() => parseGolden(bytes({ ...golden, format: 2 }), "decoder"), /got 2 and decoder/);
});

test("golden inputs that test nothing are refused", () => {
  const bytes = (golden: object): Uint8Array => new TextEncoder().encode(JSON.stringify(golden));
  assert.throws(() => parseGolden(bytes({ ...BOUNDS, kind: "decoder", steps: [] }), "decoder"), {
    message: "golden: must have something to compare, got nothing",
  });
  const blind = [{ ids: [1], top: null, at: [], logits: [] }];
  assert.throws(() => parseGolden(bytes({ ...BOUNDS, kind: "decoder", steps: blind }), "decoder"));
  const batches = [{ rows: [[1]], logits: [], decisions: [] }];
  assert.throws(() => parseGolden(bytes({ ...BOUNDS, kind: "encoder", batches }), "encoder"));
});
