import assert from "node:assert/strict";
import { test } from "node:test";

import { ScoreCache } from "../../../../extension_src/src/content/moderation/scores.ts";

test("an abstention is an answer, an unknown text is none", () => {
  const cache = new ScoreCache(100);
  cache.set("abstained", null);
  assert.equal(cache.get("abstained"), null);
  assert.equal(cache.get("unknown"), undefined);
});

test("the least recently used text is dropped first", () => {
  const cache = new ScoreCache(6);
  cache.set("aa", [1]);
  cache.set("bb", [2]);
  cache.set("cc", [3]);
  cache.get("aa");
  cache.set("dd", [4]);
  assert.deepEqual(["aa", "bb", "cc", "dd"].map((text) => cache.get(text)?.[0]), [1, undefined, 3, 4]);
});

test("memory stays bounded by characters, also when one text is set again and again", () => {
  const cache = new ScoreCache(1000);
  for (let index = 0; index < 5000; index += 1) cache.set(`text ${index}`, [0]);
  assert.ok(cache.size <= 1000 / "text 1000".length + 1);
  const one = new ScoreCache(10);
  for (let index = 0; index < 50; index += 1) one.set("same", [index]);
  assert.deepEqual([one.size, one.get("same")], [1, [49]]);
});

test("a text longer than the cache is not kept", () => {
  const cache = new ScoreCache(5);
  cache.set("far too long", [1]);
  assert.equal(cache.size, 0);
});
