import assert from "node:assert/strict";
import { test } from "node:test";

import type { Suggestion } from "../../../extension_src/src/protocol/messages.ts";
import { splitForHealing, suggest } from "../../../extension_src/src/worker/completion.ts";
import { END, scriptedModel, type Script, type ScriptedModel } from "../support/scripted_model.ts";

const NEVER = new AbortController().signal;

interface Asked {
  readonly before: string;
  readonly after?: string;
  readonly minConfidence?: number;
  readonly maxWords?: number;
}

function ask(model: ScriptedModel, asked: Asked, signal = NEVER): Promise<Suggestion> {
  const req = { after: "", minConfidence: 0.1, maxWords: 9, ...asked };
  return suggest(req, model.parts, signal);
}

/** A script that goes on through these tokens with these probabilities, wherever it is asked. */
function sequence(...steps: readonly (readonly [string, number])[]): Script {
  let at = 0;
  return () => {
    const [token, probability] = steps[at] ?? [END, 0.99];
    at += 1;
    return { [token]: probability };
  };
}

const HEALED: readonly (readonly [string, string, string])[] = [
  ["I am hap", "I am", " hap"],
  ["hap", "", "hap"],
  ["I am ", "I am", " "],
  ["I am  ", "I am ", " "],
  ["I am  hap", "I am ", " hap"],
  ["I am\nhap", "I am\n", "hap"],
  ["I am\n", "I am\n", ""],
  ["I am\t", "I am\t", ""],
  ["a\u00a0b", "a\u00a0", "b"],
  [`a ${"x".repeat(32)}`, "a", ` ${"x".repeat(32)}`],
  [`a ${"x".repeat(33)}`, `a ${"x".repeat(33)}`, ""],
  [`a ${"😀".repeat(32)}`, "a", ` ${"😀".repeat(32)}`],
  ["", "", ""],
];

for (const [before, head, tail] of HEALED) {
  test(`${JSON.stringify(before.slice(0, 12))} is healed from ${JSON.stringify(tail.slice(0, 8))}`, () => {
    assert.deepEqual(splitForHealing(before), { head, tail });
  });
}

for (const before of ["", " ", "\n", " \t\n\u00a0"]) {
  test(`${JSON.stringify(before)} is no context, and the model is not asked`, async () => {
    const model = scriptedModel(["a"], () => ({}));
    const { silence } = await ask(model, { before });
    assert.equal(silence, "no-context");
    assert.deepEqual(model.appended, []);
  });
}

const WORDS = ["I", " am", " happy", " ha", "ppy", " to", " see", " you", ".", "!", " ", "\n", "\n\n"];

test("the word under the caret is completed by tokens that spell it", async () => {
  const script: Script = (text) => (text === "I am" ? { " you": 0.7, " happy": 0.2 } : { [END]: 0.9 });
  const suggestion = await ask(scriptedModel(WORDS, script), { before: "I am hap" });
  assert.equal(suggestion.text, "py");
  // Of the tokens that fit (" happy", " ha", " "), " happy" has nearly all.
  assert.ok(suggestion.confidence > 0.75 && suggestion.confidence < 1, String(suggestion.confidence));
});

test("a word that needs several tokens is healed through all of them", async () => {
  const script: Script = (text) =>
    text === "I am" ? { " ha": 0.6 } : text === "I am ha" ? { ppy: 0.8 } : { [END]: 0.9 };
  const model = scriptedModel(WORDS, script);
  const suggestion = await ask(model, { before: "I am hap" });
  assert.equal(suggestion.text, "py");
  assert.deepEqual(model.appended, ["I am", " ha", "ppy"]);
  // " ha" only consumed what was there: it does not count.
  assert.ok(Math.abs(suggestion.confidence - 1) < 1e-6, String(suggestion.confidence));
});

test("text that no token can spell gives nothing", async () => {
  const suggestion = await ask(scriptedModel(WORDS, () => ({})), { before: "I am zz" });
  assert.deepEqual(suggestion, { text: "", confidence: 0, silence: "nothing" });
});

test("a suggestion ends where a word ends, and counts the tokens up to there", async () => {
  const script = sequence([" to", 0.9], [" see", 0.8], [" you", 0.12]);
  const { text, confidence } = await ask(scriptedModel(WORDS, script), { before: "I am\n" });
  assert.equal(text, " to see");
  assert.ok(Math.abs(confidence - 0.72) < 1e-6);
});

test("a word that the model may not have finished is not shown", async () => {
  const script = sequence([" to", 0.9], [" ha", 0.8], ["ppy", 0.12]);
  const { text } = await ask(scriptedModel(WORDS, script), { before: "I am\n" });
  assert.equal(text, " to");
});

test("a word at the token limit is not shown, since its end was not seen", async () => {
  const script = sequence([" to", 0.9], [" see", 0.9], [" you", 0.9]);
  const model = scriptedModel(WORDS, script, { max_new_tokens: 2 });
  const { text } = await ask(model, { before: "I am\n" });
  assert.equal(text, " to");
  assert.deepEqual(model.appended, ["I am\n", " to"]);
});

test("a healed word that fills the cache ends the suggestion as unsure", async () => {
  const letters = [..."abcdefgh"];
  const script = sequence(...letters.map((letter) => [letter, 0.9] as const));
  const model = scriptedModel(["I", "\n", ...letters], script, { capacity: 6, max_new_tokens: 1 });
  const { silence } = await ask(model, { before: "I\nabcdefgh" });
  assert.equal(silence, "unsure");
  assert.deepEqual(model.appended, ["I\n", "a", "b", "c"]);
});

test("too unsure from the start is silence", async () => {
  const script = sequence([" to", 0.09], [" see", 0.9]);
  const { silence } = await ask(scriptedModel(WORDS, script), { before: "I am\n" });
  assert.equal(silence, "unsure");
});

test("the confidence asked for decides, not a built-in one", async () => {
  const steps = [[" to", 0.09], [END, 0.9]] as const;
  const model = scriptedModel(WORDS, sequence(...steps));
  const { text } = await ask(model, { before: "I am\n", minConfidence: 0.05 });
  assert.equal(text, " to");
});

test("a sentence ends the suggestion", async () => {
  const script = sequence([" to", 0.9], [" see", 0.9], [".", 0.9], [" you", 0.9]);
  const { text } = await ask(scriptedModel(WORDS, script), { before: "I am\n" });
  assert.equal(text, " to see.");
});

test("as many words as asked for, and no more", async () => {
  const script = sequence([" to", 0.9], [" see", 0.9], [" you", 0.9]);
  const { text } = await ask(scriptedModel(WORDS, script), { before: "I am\n", maxWords: 2 });
  assert.equal(text, " to see");
});

test("the end of the text ends the suggestion", async () => {
  const { text } = await ask(scriptedModel(WORDS, sequence([" you", 0.9], [END, 0.9])), { before: "I am\n" });
  assert.equal(text, " you");
});

test("a newline ends the suggestion, and what stands before it counts", async () => {
  const script = sequence([" you", 0.9], [".\n", 0.9]);
  const { text } = await ask(scriptedModel([...WORDS, ".\n"], script), { before: "I am\n" });
  assert.equal(text, " you.");
});

for (const end of [END, "\n", "\n\n"]) {
  test(`${JSON.stringify(end)} at once is nothing`, async () => {
    const { silence } = await ask(scriptedModel(WORDS, sequence([end, 0.9])), { before: "I am\n" });
    assert.equal(silence, "nothing");
  });
}

test("punctuation alone is not worth showing", async () => {
  const { silence } = await ask(scriptedModel(WORDS, sequence(["!", 0.9], [END, 0.9])), { before: "I am\n" });
  assert.equal(silence, "unsure");
});

test("a suggestion that stands behind the caret already is silence", async () => {
  const script = sequence([" see", 0.9], [END, 0.9]);
  const { silence } = await ask(scriptedModel(WORDS, script), { before: "I am\n", after: "  see you" });
  assert.equal(silence, "repeats-after");
});

test("placeholders of the training text are never shown", async () => {
  const script = sequence([" <url>", 0.9], [END, 0.9]);
  const { silence } = await ask(scriptedModel([...WORDS, " <url>"], script), { before: "I am\n" });
  assert.equal(silence, "nothing");
});

test("spaces at the end are not shown", async () => {
  const script = sequence([" you", 0.9], [" ", 0.9], [END, 0.9]);
  const { text } = await ask(scriptedModel(WORDS, script), { before: "I am\n" });
  assert.equal(text, " you");
});

test("ties go to the lowest id", async () => {
  const script: Script = (text) => (text === "I am\n" ? { " see": 0.4, " to": 0.4 } : { [END]: 0.9 });
  const { text } = await ask(scriptedModel(WORDS, script), { before: "I am\n" });
  assert.equal(text, " to");
});

test("what was read for the last keystroke is not read again", async () => {
  const script: Script = (text) => (text === "I am" ? { " happy": 0.9 } : { [END]: 0.9 });
  const model = scriptedModel(WORDS, script);
  await ask(model, { before: "I am h" });
  await ask(model, { before: "I am ha" });
  assert.deepEqual(model.appended, ["I am", " happy", " am", " happy"]);
});

test("a long prompt loses its beginning, bos first", async () => {
  const model = scriptedModel(WORDS, sequence([END, 0.9]), { context_tokens: 10, max_new_tokens: 8 });
  await ask(model, { before: "I am to see\n" });
  assert.deepEqual(model.appended, [" see\n"]);
});

test("a long prompt begins where a sentence does, and stays there while more is typed", async () => {
  const limits = { context_tokens: 16, max_new_tokens: 8 };
  const model = scriptedModel(WORDS, () => ({ [END]: 0.9 }), limits);
  for (const more of ["", " to", " to see"]) {
    await ask(model, { before: `I am happy.${" you".repeat(4)}${more}\n` });
  }
  assert.deepEqual(model.appended, [" you you you you\n", " to\n", " see\n"]);
});

test("a prompt is read in pieces, and an abort between two of them ends it", async () => {
  const model = scriptedModel(WORDS, () => ({ [END]: 0.9 }), { context_tokens: 500 });
  const abort = new AbortController();
  const parts = { ...model.parts, pause: async () => abort.abort() };
  const before = `${" you".repeat(200)}\n`;
  await assert.rejects(suggest({ before, after: "", minConfidence: 0.1, maxWords: 5 }, parts, abort.signal), {
    name: "AbortError",
  });
  assert.equal(model.appended.length, 1);
});

test("an abort between two tokens ends the run", async () => {
  const abort = new AbortController();
  const model = scriptedModel(WORDS, sequence([" to", 0.9], [" see", 0.9], [" you", 0.9]));
  const parts = { ...model.parts, pause: async () => abort.abort() };
  const asked = { before: "I am\n", after: "", minConfidence: 0.1, maxWords: 5 };
  await assert.rejects(suggest(asked, parts, abort.signal), { name: "AbortError" });
  assert.deepEqual(model.appended, ["I am\n"]);
});
