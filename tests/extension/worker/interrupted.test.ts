/** A suggestion that is broken off, at whatever token and for whatever reason, spoils none after it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Suggestion } from "../../../extension_src/src/protocol/messages.ts";
import { suggest, type Parts } from "../../../extension_src/src/worker/completion.ts";
import { Scheduler } from "../../../extension_src/src/worker/scheduler.ts";
import { settled } from "../support/ports.ts";
import { scriptedModel, type ScriptedModel } from "../support/scripted_model.ts";

const TOKENS = [" one", " two", " three", " four", " five", " six", "."];
const DEADLINE_MS = 100;

/** What comes next depends on each token before it: a cache that is not what it should be shows. */
function script(text: string): { readonly [token: string]: number } {
  let hash = 7;
  for (const letter of text) hash = (hash * 31 + letter.charCodeAt(0)) % 65_521;
  return { [TOKENS[hash % (TOKENS.length - 1)] ?? "."]: 0.97 };
}

const model = (): ScriptedModel =>
  scriptedModel(TOKENS, script, { context_tokens: 256, max_new_tokens: 6 });

const request = (words: number): Parameters<typeof suggest>[0] => ({
  // Longer than what is read at once, so that it can also be broken off while it reads.
  before: Array.from({ length: words }, (_, at) => TOKENS[at % 6]).join(""),
  after: "",
  minConfidence: 0.1,
  maxWords: 6,
});

/** A scheduler over a decoder; `onPause` runs between two tokens. */
class Bench {
  nowMs = 0;
  pauses = 0;
  readonly answers = new Map<number, Suggestion | string>();
  readonly fatal: unknown[] = [];
  onPause: (pauses: number) => void = () => undefined;
  readonly #parts: Parts = {
    ...model().parts,
    pause: async () => this.onPause((this.pauses += 1)),
  };
  readonly scheduler = new Scheduler<Suggestion>({
    onAnswer: (id, res) => this.answers.set(id, res),
    onError: (id, { code }) => this.answers.set(id, code),
    onFatal: (error) => this.fatal.push(error),
    onIdle: () => undefined,
    now: () => this.nowMs,
    pause: async () => undefined,
  });

  ask(id: number, words: number, deadlineMs?: number): void {
    this.scheduler.submit({
      id,
      client: 1,
      lane: "keystroke",
      field: "f",
      deadlineMs,
      prepare: async () => ({
        shape: "whole",
        run: (interest) => suggest(request(words), this.#parts, interest),
      }),
    });
  }
}

async function fresh(words: number): Promise<Suggestion> {
  return suggest(request(words), model().parts, new AbortController().signal);
}

/** How call 1 is broken off, and the code that it is answered with. */
const WAYS: { readonly [code: string]: (bench: Bench) => void } = {
  cancelled: (bench) => bench.scheduler.cancel(1),
  superseded: (bench) => bench.ask(2, 3),
  late: (bench) => (bench.nowMs += DEADLINE_MS + 1),
};

for (const [code, breakOff] of Object.entries(WAYS)) {
  test(`after a call that was ${code} at any token, suggestions are those of a fresh decoder`, async () => {
    let at = 0;
    for (let isOver = false; !isOver; ) {
      at += 1;
      const bench = new Bench();
      bench.onPause = (pauses) => {
        if (pauses === at) breakOff(bench);
      };
      bench.ask(1, 150, DEADLINE_MS);
      await settled();
      isOver = bench.pauses < at; // it had answered before
      bench.onPause = () => undefined;
      assert.equal(isOver ? typeof bench.answers.get(1) : bench.answers.get(1), isOver ? "object" : code);
      if (code === "superseded" && !isOver) assert.deepEqual(bench.answers.get(2), await fresh(3));
      for (const words of [150, 149, 7]) {
        bench.ask(10 + words, words);
        await settled();
        assert.deepEqual(bench.answers.get(10 + words), await fresh(words), `broken off at ${at}, then ${words}`);
      }
      assert.deepEqual(bench.fatal, []);
    }
    assert.ok(at > 5, `only ${at - 1} places to break it off`);
  });
}

test("a suggestion that the script makes is not empty, so that a wrong one would show", async () => {
  for (const words of [150, 149, 7, 3]) assert.notEqual((await fresh(words)).text, "");
});
