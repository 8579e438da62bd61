import assert from "node:assert/strict";
import { test } from "node:test";

import { LIMITS, type Lane } from "../../../extension_src/src/protocol/messages.ts";
import type { WorkerCall } from "../../../extension_src/src/protocol/worker_port.ts";
import { Admission } from "../../../extension_src/src/router/admission.ts";

const score = (lane: "visible" | "rest", texts: number, characters = 10): WorkerCall => ({
  kind: "call",
  id: 1,
  name: "moderation.score",
  req: { texts: Array<string>(texts).fill("x".repeat(characters)), lane },
});
const SUGGEST: WorkerCall = {
  kind: "call",
  id: 1,
  name: "completion.suggest",
  req: { field: "f", before: "hello", after: "", minConfidence: 0.5, maxWords: 3 },
};

/** How many clients with a call of 64 texts each are let in. */
function fill(admission: Admission, lane: "visible" | "rest", characters = 10): number {
  let client = 1;
  while (admission.admit(client, score(lane, 64, characters)) === null) client += 1;
  return client - 1;
}

test("one client may not take the place of all: its own calls, texts and characters are limited", () => {
  const calls = new Admission();
  for (let call = 0; call < LIMITS.callsInFlight; call += 1) assert.equal(calls.admit(1, SUGGEST), null);
  assert.match(calls.admit(1, SUGGEST) ?? "", /32 unanswered calls/);
  const texts = new Admission();
  for (let call = 0; call < LIMITS.textsInFlight / 64; call += 1) texts.admit(1, score("visible", 64));
  assert.match(texts.admit(1, score("visible", 1)) ?? "", /256 unanswered texts/);
  const long = new Admission();
  long.admit(1, score("visible", 64, 4000));
  long.admit(1, score("visible", 64, 4000));
  assert.match(long.admit(1, score("visible", 64, 4000)) ?? "", /unanswered characters/);
  for (const admission of [calls, texts, long]) assert.equal(admission.admit(2, score("rest", 1)), null);
});

test("when much waits, text out of view is refused first, then text in view, writing last", () => {
  const admission = new Admission();
  const taken = (lane: Lane): boolean =>
    admission.admit(999, lane === "keystroke" ? SUGGEST : score(lane, 1)) === null;
  fill(admission, "rest");
  assert.deepEqual([taken("keystroke"), taken("visible"), taken("rest")], [true, true, false]);
  fill(admission, "visible");
  for (let client = 2000; admission.admit(client, score("visible", 1)) === null; client += 1);
  assert.deepEqual([taken("keystroke"), taken("visible"), taken("rest")], [true, false, false]);
});

test("long texts are limited by their characters, of all clients together", () => {
  const admission = new Admission();
  const most = (LIMITS.charactersInAll * 0.9) / (64 * 4000);
  assert.equal(fill(admission, "visible", 4000), Math.floor(most));
});

test("what was answered makes room again, to the last text", () => {
  const admission = new Admission();
  for (let round = 0; round < 3; round += 1) {
    const admitted: number[] = [];
    for (let client = 1; admission.admit(client, score("rest", 64)) === null; client += 1) admitted.push(client);
    assert.equal(admitted.length, LIMITS.textsInAll / 2 / 64);
    for (const client of admitted) admission.release(client, score("rest", 64));
  }
});

test("the more clients have text out of view waiting, the less each should send", () => {
  const admission = new Admission();
  const restTexts: number[] = [];
  for (let client = 1; client <= 100; client += 1) {
    admission.admit(client, score("rest", 4));
    admission.admit(client, score("rest", 4));
    restTexts.push(admission.flow().restTexts);
  }
  assert.deepEqual([restTexts[0], restTexts[7], restTexts[15], restTexts[31], restTexts[99]], [32, 32, 16, 8, 4]);
  for (let client = 1; client <= 100; client += 1) {
    admission.release(client, score("rest", 4));
    admission.release(client, score("rest", 4));
  }
  assert.equal(admission.flow().restTexts, 32);
});

test("text in view does not make the share of the rest smaller", () => {
  const admission = new Admission();
  for (let client = 1; client <= 50; client += 1) admission.admit(client, score("visible", 8));
  assert.equal(admission.flow().restTexts, 32);
});
