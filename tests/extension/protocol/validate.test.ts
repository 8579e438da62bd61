import assert from "node:assert/strict";
import { test } from "node:test";

import { LIMITS } from "../../../extension_src/src/protocol/messages.ts";
import { readToHost } from "../../../extension_src/src/protocol/validate.ts";

const score = (req: unknown): unknown => ({ kind: "call", id: 1, name: "moderation.score", req });
const suggest = (changed: object): unknown => ({
  kind: "call",
  id: 1,
  name: "completion.suggest",
  req: { field: "f", before: "b", after: "", minConfidence: 0.5, maxWords: 5, ...changed },
});

const ACCEPTED: readonly unknown[] = [
  { kind: "cancel", id: 0 },
  score({ texts: ["a"], lane: "visible" }),
  score({ texts: Array(LIMITS.textsPerCall).fill("a"), lane: "rest" }),
  score({ texts: ["x".repeat(LIMITS.charactersPerText)], lane: "rest" }),
  suggest({}),
  suggest({ before: "x".repeat(LIMITS.charactersBefore), after: "y".repeat(LIMITS.charactersAfter) }),
  suggest({ minConfidence: 0, maxWords: LIMITS.maxWords }),
  { kind: "call", id: 2, name: "engine.watch", req: {} },
  { ...(suggest({}) as object), deadlineMs: 2000 },
  { kind: "call", id: 2, name: "engine.warm", req: { feature: "completion" } },
];

for (const message of ACCEPTED) {
  test(`accepts ${JSON.stringify(message).slice(0, 90)}`, () => {
    assert.deepEqual(readToHost(message), { ok: true, message });
  });
}

const REFUSED: readonly (readonly [unknown, string])[] = [
  [null, "message: must be an object, got null"],
  ["call", "message: must be an object, got a string of 4 characters"],
  [[], "message: must be an object, got a list of 0"],
  [{ kind: "call" }, "id: must be a whole number, got undefined"],
  [{ kind: "call", id: -1 }, "id: must be a whole number, got -1"],
  [{ kind: "call", id: 1.5 }, "id: must be a whole number, got 1.5"],
  [{ kind: "call", id: Number.NaN }, "id: must be a whole number, got NaN"],
  [{ kind: "answer", id: 1 }, "kind: must be one of call, cancel, got a string of 6 characters"],
  [{ kind: "call", id: 1, name: "constructor", req: {} }, "name: must be one of"],
  [{ kind: "call", id: 1, name: "engine.watch" }, "req: must be an object, got undefined"],
  [score({ texts: "a", lane: "rest" }), "texts: must be a list of 1 to 64 texts"],
  [score({ texts: [], lane: "rest" }), "texts: must be a list of 1 to 64 texts, got a list of 0"],
  [score({ texts: Array(LIMITS.textsPerCall + 1).fill("a"), lane: "rest" }), "got a list of 65"],
  [score({ texts: ["a", 3], lane: "rest" }), "texts[1]: must be a string of at most 4000"],
  [score({ texts: ["x".repeat(LIMITS.charactersPerText + 1)], lane: "rest" }), "texts[0]: must be"],
  [score({ texts: ["a"], lane: "keystroke" }), "lane: must be one of visible, rest"],
  [suggest({ before: "x".repeat(LIMITS.charactersBefore + 1) }), "before: must be a string"],
  [suggest({ after: null }), "after: must be a string of at most 500 characters, got null"],
  [suggest({ field: "x".repeat(LIMITS.charactersField + 1) }), "field: must be a string"],
  [suggest({ minConfidence: Number.NaN }), "minConfidence: must be a number from 0 to 1, got NaN"],
  [suggest({ minConfidence: 1.01 }), "minConfidence: must be a number from 0 to 1"],
  [suggest({ maxWords: 0 }), "maxWords: must be a number from 1 to 32, got 0"],
  [suggest({ maxWords: 2.5 }), "maxWords: must be a whole number, got 2.5"],
  [{ ...(suggest({}) as object), deadlineMs: -1 }, "deadlineMs: must be a number from 0 to 600000, got -1"],
  [{ ...(suggest({}) as object), deadlineMs: "soon" }, "deadlineMs: must be a number"],
  [{ kind: "call", id: 1, name: "engine.warm", req: { feature: "toString" } }, "feature: must be one of"],
];

for (const [message, wrong] of REFUSED) {
  test(`refuses with "${wrong}"`, () => {
    const read = readToHost(message);
    assert.ok(!read.ok);
    assert.ok(read.wrong.includes(wrong), `said: ${read.wrong}`);
  });
}

test("a refusal keeps the id, so that the caller can be told", () => {
  const read = readToHost(score({ texts: [], lane: "rest" }));
  assert.equal(!read.ok && read.id, 1);
});

test("keys that nobody knows go no further", () => {
  const read = readToHost({ ...(score({ texts: ["a"], lane: "rest", extra: 1 }) as object), more: 2 });
  assert.deepEqual(read, { ok: true, message: score({ texts: ["a"], lane: "rest" }) });
});

test("a refusal never repeats the text that it refuses", () => {
  const read = readToHost(suggest({ before: "secret ".repeat(1000) }));
  assert.ok(!read.ok && !read.wrong.includes("secret"));
});
