import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BackendLost,
  PackageBroken,
  type Backend,
  type BackendId,
  type Encoder,
  type ModelSource,
} from "../../../../extension_src/src/worker/backends/backend.ts";
import {
  Chooser,
  preferred,
  type Chosen,
} from "../../../../extension_src/src/worker/backends/choose.ts";
import { testEncoder, type EncoderGolden } from "../../../../extension_src/src/worker/backends/golden.ts";
import { withLiar } from "../../../../extension_src/src/worker/backends/lying.ts";
import type { Verdict } from "../../../../extension_src/src/worker/backends/remembered.ts";
import { fakeBackend, verdictsIn, type FakeOptions } from "../../support/fake_backend.ts";

/** What fake backends compute: a row's first id, and its length. */
const GOLDEN: EncoderGolden = {
  format: 1,
  kind: "encoder",
  tolerance: 0.01,
  spread: 10,
  batches: [{ rows: [[7, 1], [1]], logits: [[7, 2], [1, 1]], decisions: [[true, true], [false, true]] }],
};
const THRESHOLDS = [0.99, 0.5];
const SOURCE = {} as ModelSource;
const LIMITS = { max_tokens: 8, batch_tokens: 8, pad_id: 0 };

interface Options {
  readonly groups: readonly (readonly FakeOptions[])[];
  readonly kept?: Map<string, Verdict>;
  readonly liar?: BackendId;
  readonly measured?: boolean;
  /** How long one run of the self-test takes, ms; by default all the same. */
  readonly costs?: { readonly [Id in BackendId]?: number };
}

class Bench {
  readonly log: string[] = [];
  readonly kept: Map<string, Verdict>;
  readonly chooser: Chooser<Encoder>;
  #nowMs = 0;

  constructor({ groups, kept = new Map(), liar, costs = {}, measured = false }: Options) {
    this.kept = kept;
    const opened = new Map<Encoder, BackendId>();
    this.chooser = new Chooser<Encoder>({
      groups: groups.map((group) =>
        withLiar(group.map((options) => fakeBackend(options, this.log)), liar ?? null),
      ),
      measured,
      model: "hash",
      open: async (backend) => {
        const encoder = await backend.encoder(SOURCE, LIMITS);
        opened.set(encoder, backend.id);
        return encoder;
      },
      test: async (encoder) => {
        this.#nowMs += costs[opened.get(encoder) ?? "engine-simd"] ?? 10;
        await testEncoder(encoder, GOLDEN, THRESHOLDS);
      },
      verdicts: verdictsIn(kept),
      now: () => this.#nowMs,
    });
  }

  async choose(): Promise<string> {
    return (await this.chooser.choose()).backend.id;
  }

  /** Openings and ends, in order. */
  get opened(): readonly string[] {
    return this.log.filter((entry) => /^[+-]/.test(entry));
  }

  get demoted(): readonly string[] {
    return this.chooser.demoted.map(({ backend, cause, reason }) => `${backend} ${cause}: ${reason}`);
  }
}

const simd: FakeOptions = { id: "engine-simd" };
const relaxed: FakeOptions = { id: "engine-relaxed" };
const threads: FakeOptions = { id: "engine-threads" };
const ort: FakeOptions = { id: "ort-wasm" };
const wrong = { logits: (row: readonly number[]): readonly number[] => [row[0] ?? 0, row.length + 0.2] };
const WRONG = "batch 0, row 0, label 1: must be 2.00000, got 2.20000 (2.00 % of the spread, at most 1 %)";

test("a backend is tested once, and from then on opened at once", async () => {
  const kept = new Map<string, Verdict>();
  const first = new Bench({ groups: [[simd]], kept });
  assert.equal(await first.choose(), "engine-simd");
  assert.deepEqual(first.log, ["+engine-simd", "engine-simd", "engine-simd"]);
  assert.deepEqual([...kept], [["hash engine-simd 1", { state: "passed", ms: null }]]);
  const second = new Bench({ groups: [[simd]], kept });
  assert.equal(await second.choose(), "engine-simd");
  assert.deepEqual(second.log, ["+engine-simd"]);
});

test("another engine file, or another GPU, is tested anew", async () => {
  const kept = new Map<string, Verdict>([["hash engine-simd 1", { state: "passed", ms: null }]]);
  const bench = new Bench({ groups: [[{ ...simd, fingerprint: "2" }]], kept });
  await bench.choose();
  assert.deepEqual(bench.log, ["+engine-simd", "engine-simd", "engine-simd"]);
});

test("of those that compete the fastest is chosen, and at most one is open at a time", async () => {
  const costs = { "engine-relaxed": 10, "engine-simd": 30, "engine-threads": 5 };
  const kept = new Map<string, Verdict>();
  const first = new Bench({ groups: [[relaxed, simd, threads]], costs, kept });
  assert.equal(await first.choose(), "engine-threads");
  assert.deepEqual(first.opened, [
    ...["+engine-threads", "-engine-threads", "+engine-simd", "-engine-simd"],
    ...["+engine-relaxed", "-engine-relaxed", "+engine-threads"],
  ]);
  const second = new Bench({ groups: [[relaxed, simd, threads]], costs: {}, kept });
  assert.equal(await second.choose(), "engine-threads");
  assert.deepEqual(second.log, ["+engine-threads"]);
});

test("the preferred one is kept open when it is chosen", async () => {
  const bench = new Bench({ groups: [[relaxed, simd]] });
  assert.equal(await bench.choose(), "engine-relaxed");
  assert.deepEqual(bench.opened, ["+engine-simd", "-engine-simd", "+engine-relaxed"]);
});

const MEASURED: readonly (readonly [readonly (number | null)[], number])[] = [
  [[100, 86], 0],
  [[100, 84], 1],
  [[100, 84, 80], 1],
  [[100, 84, 70], 2],
  [[100, 300, 80], 2],
  [[null], 0],
  [[0, 0], 0],
];

for (const [times, chosen] of MEASURED) {
  test(`of ${times.join(", ")} ms number ${chosen} is chosen: a later one must be 15 % faster`, () => {
    const backend = fakeBackend(simd) as Backend;
    const passed = times.map((ms) => ({ backend, ms }));
    assert.equal(preferred(passed), passed[chosen]);
  });
}

test("measuring ends after 5 runs, or when 40 ms are over", async () => {
  const quick = new Bench({ groups: [[relaxed, simd]], costs: { "engine-relaxed": 1, "engine-simd": 25 } });
  await quick.choose();
  const runs = (id: BackendId): number => quick.log.filter((entry) => entry === id).length / 2;
  assert.deepEqual([runs("engine-relaxed"), runs("engine-simd")], [1 + 5, 1 + 2]);
});

test("a wrong number demotes, is remembered, and is not tried again", async () => {
  const kept = new Map<string, Verdict>();
  for (const opened of [["+engine-relaxed", "-engine-relaxed", "+engine-simd"], ["+engine-simd"]]) {
    const bench = new Bench({ groups: [[{ ...relaxed, ...wrong }], [simd]], kept });
    assert.equal(await bench.choose(), "engine-simd");
    assert.deepEqual(bench.demoted, [`engine-relaxed wrong: ${WRONG}`]);
    assert.deepEqual(bench.opened, opened);
  }
});

test("a wrong decision demotes even when the numbers are near", async () => {
  // The threshold 0.99 is at the logit 4.595.
  const near: EncoderGolden = {
    ...GOLDEN,
    batches: [{ rows: [[4.6]], logits: [[4.59, 1]], decisions: [[false, true]] }],
  };
  const encoder = await fakeBackend(simd).encoder(SOURCE, LIMITS);
  await assert.rejects(testEncoder(encoder, near, THRESHOLDS), {
    message: "batch 0, row 0, label 0: the decision is wrong at the logit 4.599999904632568",
  });
});

test("a backend that lies is found out", async () => {
  const bench = new Bench({ groups: [[relaxed, simd]], liar: "engine-relaxed" });
  assert.equal(await bench.choose(), "engine-simd");
  assert.match(bench.demoted[0] ?? "", /^engine-relaxed wrong: batch 0, row 0, label 0: must be 7.00000/);
});

test("results that are not finite demote", async () => {
  const bench = new Bench({ groups: [[{ ...simd, logits: () => [NaN, NaN] }], [ort]] });
  assert.equal(await bench.choose(), "ort-wasm");
  assert.match(bench.demoted[0] ?? "", /must be 7.00000, got NaN/);
});

test("a trap in the self-test demotes", async () => {
  const trap = (): readonly number[] => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  const bench = new Bench({ groups: [[{ ...simd, logits: trap }, ort]] });
  assert.equal(await bench.choose(), "ort-wasm");
  assert.deepEqual(bench.demoted, ["engine-simd wrong: unreachable"]);
});

test("what cannot be opened is demoted, and tried again at the next start", async () => {
  const kept = new Map<string, Verdict>();
  const refuses = new RangeError("no memory for 12 bytes more");
  const bench = new Bench({ groups: [[{ ...relaxed, refuses }, simd]], kept });
  assert.equal(await bench.choose(), "engine-simd");
  assert.deepEqual(bench.demoted, ["engine-relaxed unavailable: no memory for 12 bytes more"]);
  assert.deepEqual([...kept.keys()], ["hash engine-simd 1"]);
  const next = new Bench({ groups: [[relaxed, simd]], kept });
  assert.equal(await next.choose(), "engine-relaxed");
});

test("one that passed before and cannot be opened today gives way to the next", async () => {
  const kept = new Map<string, Verdict>([
    ["hash engine-relaxed 1", { state: "passed", ms: 1 }],
    ["hash engine-simd 1", { state: "passed", ms: 2 }],
  ]);
  const bench = new Bench({ groups: [[{ ...relaxed, refuses: new Error("no memory") }, simd]], kept });
  assert.equal(await bench.choose(), "engine-simd");
  assert.deepEqual(bench.demoted, ["engine-relaxed unavailable: no memory"]);
});

test("a broken package fails the model and demotes nobody", async () => {
  const kept = new Map<string, Verdict>();
  const refuses = new PackageBroken("weights-000.bin: SHA-256 must be …");
  const bench = new Bench({ groups: [[{ ...relaxed, refuses }], [simd]], kept });
  await assert.rejects(bench.choose(), refuses);
  assert.deepEqual([bench.demoted, [...kept]], [[], []]);
});

test("when nobody is left the model fails with all reasons", async () => {
  const refuses = new Error("no memory");
  const bench = new Bench({ groups: [[{ ...relaxed, ...wrong }, { ...simd, refuses }], [{ ...ort, refuses }]] });
  await assert.rejects(bench.choose(), {
    message:
      "no backend can run this model: engine-simd: no memory; " +
      `engine-relaxed: ${WRONG}; ort-wasm: no memory`,
  });
});

test("a package without a backend for the model says so", async () => {
  await assert.rejects(new Bench({ groups: [[], []] }).choose(), {
    message: "no backend can run this model: the package has none",
  });
});

test("who takes the worker down in a self-test is left out, tried once more, and then no more", async () => {
  const key = "hash engine-relaxed 1";
  const kept = new Map<string, Verdict>();
  const start = async (chosen: BackendId, demoted: readonly string[]): Promise<void> => {
    const bench = new Bench({ groups: [[relaxed], [simd]], kept });
    assert.equal(await bench.choose(), chosen);
    assert.deepEqual(bench.demoted, demoted);
  };
  kept.set(key, { state: "testing", deaths: 0 });
  await start("engine-simd", ["engine-relaxed died: did not survive its self-test"]);
  assert.deepEqual(kept.get(key), { state: "died", deaths: 1 });
  kept.set(key, { state: "testing", deaths: 1 });
  await start("engine-simd", ["engine-relaxed died: did not survive its self-test"]);
  for (let later = 0; later < 2; later += 1) {
    await start("engine-simd", ["engine-relaxed died: did not survive its self-test, 2 times"]);
  }
  kept.set(key, { state: "died", deaths: 1 });
  await start("engine-relaxed", []);
});

test("before a self-test begins, the mark that tells of a death is kept", async () => {
  const kept = new Map<string, Verdict>([["hash engine-simd 1", { state: "died", deaths: 1 }]]);
  const marks: (Verdict | undefined)[] = [];
  const logits = (row: readonly number[]): readonly number[] => {
    marks.push(kept.get("hash engine-simd 1"));
    return [row[0] ?? 0, row.length];
  };
  await new Bench({ groups: [[{ ...simd, logits }]], kept }).choose();
  assert.deepEqual(marks, Array(2).fill({ state: "testing", deaths: 1 }));
  assert.deepEqual(kept.get("hash engine-simd 1"), { state: "passed", ms: null });
});

test("a backend that is lost in its self-test is not held guilty at the next start", async () => {
  const kept = new Map<string, Verdict>();
  const logits = (): readonly number[] => {
    throw new BackendLost("the GPU was reset", true);
  };
  const bench = new Bench({ groups: [[{ ...relaxed, logits }], [simd]], kept });
  assert.equal(await bench.choose(), "engine-simd");
  assert.deepEqual(bench.demoted, ["engine-relaxed lost: the GPU was reset"]);
  assert.deepEqual([...kept.keys()], ["hash engine-simd 1"]);
});

test("after a demotion of the chosen one the next best is chosen", async () => {
  const bench = new Bench({ groups: [[relaxed, simd], [ort]] });
  const chosen: Chosen<Encoder> = await bench.chooser.choose();
  bench.chooser.demote(chosen.backend, "lost", "gone");
  assert.equal(await bench.choose(), "engine-simd");
});

const gpu: FakeOptions = { id: "ort-webgpu" };
const challenge = async (bench: Bench, options: FakeOptions): Promise<string | undefined> => {
  const chosen = await bench.chooser.choose();
  bench.log.length = 0;
  const challenger = fakeBackend(options, bench.log);
  return (await bench.chooser.challenge([challenger], chosen))?.backend.id;
};

test("a challenger is opened and tested beside the chosen one", async () => {
  const bench = new Bench({ groups: [[simd]] });
  assert.equal(await challenge(bench, gpu), "ort-webgpu");
  assert.deepEqual(bench.opened, ["+ort-webgpu"]);
});

test("a challenger that passed before is tested again before it takes over, but not measured", async () => {
  const kept = new Map<string, Verdict>([["hash ort-webgpu 1", { state: "passed", ms: 1 }]]);
  const bench = new Bench({ groups: [[simd]], kept, measured: true });
  assert.equal(await challenge(bench, gpu), "ort-webgpu");
  assert.deepEqual(bench.log, ["+ort-webgpu", "ort-webgpu", "ort-webgpu"]);
  assert.deepEqual(kept.get("hash ort-webgpu 1"), { state: "passed", ms: 1 });
});

const RACES = [
  [10, 8, "ort-webgpu"],
  [10, 9, undefined],
  [10, 30, undefined],
] as const;

for (const [engineMs, gpuMs, winner] of RACES) {
  test(`measured, a challenger of ${gpuMs} ms against ${engineMs} ms: ${winner ?? "the engine stays"}`, async () => {
    const kept = new Map<string, Verdict>();
    const costs = { "engine-simd": engineMs, "ort-webgpu": gpuMs };
    for (const opened of [true, winner !== undefined]) {
      const bench = new Bench({ groups: [[simd]], costs, kept, measured: true });
      assert.equal(await challenge(bench, gpu), winner);
      assert.equal(bench.opened.includes("+ort-webgpu"), opened, "a slow one is opened once");
      assert.equal(bench.opened.includes("-ort-webgpu"), opened && winner === undefined);
      assert.deepEqual(bench.demoted, [], "to be slower is no fault");
    }
  });
}

test("a challenger that computes wrongly is demoted, and is not opened again", async () => {
  const kept = new Map<string, Verdict>();
  for (const opened of [["+ort-webgpu", "-ort-webgpu"], []]) {
    const bench = new Bench({ groups: [[simd]], kept });
    assert.equal(await challenge(bench, { ...gpu, ...wrong }), undefined);
    assert.deepEqual(bench.demoted, [`ort-webgpu wrong: ${WRONG}`]);
    assert.deepEqual(bench.opened, opened);
  }
});

test("a run that fails on a GPU for good is remembered, one that was lost is not", async () => {
  for (const passing of [true, false]) {
    const kept = new Map<string, Verdict>();
    const logits = (): readonly number[] => {
      throw new BackendLost("no shader", passing);
    };
    const bench = new Bench({ groups: [[simd]], kept });
    assert.equal(await challenge(bench, { ...gpu, logits }), undefined);
    assert.deepEqual(bench.demoted, [`ort-webgpu ${passing ? "lost" : "wrong"}: no shader`]);
    assert.equal(kept.has("hash ort-webgpu 1"), !passing);
  }
});

test("a challenger without an adapter, or with a broken file, leaves the model where it is", async () => {
  for (const refuses of [new Error("WebGPU has no adapter here"), new PackageBroken("graph.onnx: gone")]) {
    const bench = new Bench({ groups: [[simd]] });
    assert.equal(await challenge(bench, { ...gpu, refuses }), undefined);
    assert.deepEqual(bench.demoted, [`ort-webgpu unavailable: ${refuses.message}`]);
  }
});

test("who was demoted before, or runs the model already, does not challenge", async () => {
  const bench = new Bench({ groups: [[simd]] });
  const chosen = await bench.chooser.choose();
  assert.equal(await bench.chooser.challenge([chosen.backend], chosen), null);
  const challenger = fakeBackend(gpu, bench.log);
  bench.chooser.demote(challenger, "lost", "gone");
  assert.equal(await bench.chooser.challenge([challenger], chosen), null);
  assert.deepEqual(bench.opened, ["+engine-simd"]);
});
