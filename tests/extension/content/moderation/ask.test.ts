import assert from "node:assert/strict";
import { test } from "node:test";

import { Asker } from "../../../../extension_src/src/content/moderation/ask.ts";
import type { Lane } from "../../../../extension_src/src/content/moderation/queue.ts";
import type { Scores } from "../../../../extension_src/src/content/moderation/scores.ts";
import type { ErrorCode } from "../../../../extension_src/src/protocol/messages.ts";

class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode) {
    super(code);
    this.code = code;
  }
}

interface Sent {
  readonly texts: readonly string[];
  readonly lane: Lane;
  readonly answer: (scores?: readonly Scores[]) => Promise<void>;
  readonly refuse: (code: ErrorCode) => Promise<void>;
}

/** Lets everything that is ready happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bench(): {
  readonly asker: Asker;
  readonly sent: Sent[];
  readonly scored: string[];
  readonly delays: number[];
  readonly end: AbortController;
  /** What the host takes at present. */
  readonly host: { restTexts: number };
  /** Runs what waits for a delay or an idle moment. */
  readonly pass: () => Promise<void>;
} {
  const sent: Sent[] = [];
  const scored: string[] = [];
  const delays: number[] = [];
  const later: (() => void)[] = [];
  const end = new AbortController();
  const host = { restTexts: 32 };
  const asker = new Asker(
    {
      score: (texts, lane) =>
        new Promise((resolve, reject) => {
          sent.push({
            texts,
            lane,
            answer: (scores = texts.map(() => [0.1])) => (resolve(scores), settled()),
            refuse: (code) => (reject(new Refusal(code)), settled()),
          });
        }),
      restTexts: () => host.restTexts,
      onScored: (texts) => scored.push(...texts),
      codeOf: (error) => (error instanceof Refusal ? error.code : null),
      delay: (then, ms) => {
        delays.push(ms);
        later.push(then);
      },
      idle: (then) => later.push(then),
    },
    end.signal,
  );
  const pass = async (): Promise<void> => {
    for (const then of later.splice(0)) then();
    await settled();
  };
  return { asker, sent, scored, delays, end, host, pass };
}

const many = (count: number, name = "text"): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${name} ${index}`);

test("text in view is asked at once in small batches, few at a time", async () => {
  const { asker, sent, scored } = bench();
  for (const text of many(100)) asker.add(text, "visible");
  await settled();
  assert.deepEqual(sent.map(({ texts }) => texts.length), [8, 8, 8]);
  for (let index = 0; index < sent.length; index += 1) await sent[index]?.answer();
  assert.deepEqual([...scored].sort(), [...many(100)].sort());
});

test("the rest waits for an idle moment and for what is in view", async () => {
  const { asker, sent, pass } = bench();
  for (const text of many(40, "far")) asker.add(text, "rest");
  asker.add("near", "visible");
  await pass();
  assert.deepEqual(sent.map(({ lane }) => lane), ["visible"]);
  await sent[0]?.answer();
  await pass();
  assert.deepEqual(sent.map(({ lane, texts }) => [lane, texts.length]), [["visible", 1], ["rest", 32]]);
});

test("text that comes into view is moved up", async () => {
  const { asker, sent } = bench();
  asker.add("text", "rest");
  asker.add("text", "visible");
  await settled();
  assert.deepEqual(sent.map(({ lane, texts }) => [lane, texts]), [["visible", ["text"]]]);
});

test("no text is asked twice while it is being judged, nor after it is gone", async () => {
  const { asker, sent, pass } = bench();
  asker.add("one", "visible");
  asker.add("one", "visible");
  asker.add("gone", "rest");
  asker.drop("gone");
  await settled();
  await sent[0]?.answer();
  await pass();
  assert.equal(sent.length, 1);
});

test("while the tab is hidden nothing is asked", async () => {
  const { asker, sent, pass } = bench();
  asker.paused = true;
  asker.add("one", "visible");
  asker.add("two", "rest");
  await pass();
  assert.equal(sent.length, 0);
  asker.paused = false;
  assert.equal(sent.length, 1);
});

for (const code of ["too-many", "disconnected", "late"] as const) {
  test(`after ${code} the texts are asked again, later and later, and then no more`, async () => {
    const { asker, sent, scored, delays, pass } = bench();
    asker.add("text", "visible");
    await settled();
    for (let tries = 0; tries < 30; tries += 1) {
      await sent.at(-1)?.refuse(code);
      await pass();
      await pass();
    }
    assert.equal(sent.length, 8);
    assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 8000]);
    assert.equal(scored.length, 0);
    asker.add("something new", "visible");
    await settled();
    assert.equal(sent.length, 9);
    await sent.at(-1)?.answer();
    assert.ok(scored.includes("text"));
  });
}

test("an answer after a refusal starts the waits from the beginning", async () => {
  const { asker, sent, delays, pass } = bench();
  asker.add("text", "visible");
  await settled();
  for (const code of ["too-many", "too-many"] as const) {
    await sent.at(-1)?.refuse(code);
    await pass();
    await pass();
  }
  await sent.at(-1)?.answer();
  asker.add("other", "visible");
  await settled();
  await sent.at(-1)?.refuse("too-many");
  assert.deepEqual(delays, [250, 500, 250]);
});

test("a model that failed is not asked again before it is restarted", async () => {
  const { asker, sent, scored, pass } = bench();
  asker.add("one", "visible");
  await settled();
  await sent[0]?.refuse("model-failed");
  asker.add("two", "visible");
  await pass();
  assert.equal(sent.length, 1);
  assert.deepEqual(scored, []);
  asker.restart();
  asker.add("two", "visible");
  await settled();
  assert.equal(sent.length, 2);
});

test("an answer that comes after the end reaches nobody", async () => {
  const { asker, sent, scored, end } = bench();
  asker.add("one", "visible");
  await settled();
  end.abort();
  await sent[0]?.answer();
  assert.deepEqual(scored, []);
});

test("a huge page sends the rest one batch at a time, each as large as the host takes just then", async () => {
  const { asker, sent, scored, host, pass } = bench();
  for (const text of many(100, "far")) asker.add(text, "rest");
  const sizes = [32, 8, 4, 32, 32];
  for (const [turn, size] of sizes.entries()) {
    host.restTexts = size;
    await pass();
    await pass();
    assert.equal(sent.length, turn + 1, "one at a time");
    await sent[turn]?.answer();
  }
  assert.deepEqual(sent.map(({ texts }) => texts.length), [32, 8, 4, 32, 24]);
  assert.equal(scored.length, 100);
});

test("text that comes into view goes before all that waits, and the rest is not sent meanwhile", async () => {
  const { asker, sent, pass } = bench();
  for (const text of many(100, "far")) asker.add(text, "rest");
  await pass();
  await pass();
  asker.add("near", "visible");
  await settled();
  assert.deepEqual(sent.map(({ lane }) => lane), ["rest", "visible"]);
  await sent[0]?.answer();
  await pass();
  assert.equal(sent.length, 2);
  await sent[1]?.answer();
  await pass();
  assert.deepEqual(sent.map(({ lane }) => lane), ["rest", "visible", "rest"]);
});
