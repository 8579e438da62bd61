import assert from "node:assert/strict";
import { test } from "node:test";

import { runWhileOn } from "../../../extension_src/src/lib/feature.ts";
import { SETTINGS_KEY, type Settings } from "../../../extension_src/src/protocol/settings.ts";

const SETTINGS: Settings = {
  format: 1,
  paused: false,
  enabled: { moderation: true, completion: true },
  off: { moderation: [], completion: [] },
  thresholds: {},
  completion: { minConfidence: 0.5, maxWords: 4 },
};

type StorageListener = (changes: object, area: string) => void;

/** One frame: its document, reduced to its root element, and the extension's storage. */
class Frame {
  readonly log: string[] = [];
  readonly life = new AbortController();
  readonly #watchers = new Set<() => void>();
  readonly #listeners = new Set<StorageListener>();
  readonly #document: { documentElement: string | null } = { documentElement: null };

  constructor(root: string | null, stored: object = {}) {
    this.#document.documentElement = root;
    const watchers = this.#watchers;
    const listeners = this.#listeners;
    class Observer {
      readonly #callback: () => void;
      constructor(callback: () => void) {
        this.#callback = callback;
      }
      observe(): void {
        watchers.add(this.#callback);
      }
      disconnect(): void {
        watchers.delete(this.#callback);
      }
    }
    Object.assign(globalThis, {
      document: this.#document,
      MutationObserver: Observer,
      chrome: {
        runtime: { id: "extension" },
        storage: {
          local: { get: async () => ({ [SETTINGS_KEY]: { format: 1, ...stored } }) },
          onChanged: {
            addListener: (listener: StorageListener) => listeners.add(listener),
            removeListener: (listener: StorageListener) => listeners.delete(listener),
          },
        },
      },
    });
  }

  async run(): Promise<void> {
    const start = ({ completion }: Settings, signal: AbortSignal): { update(): void } => {
      this.log.push(`start on ${this.#document.documentElement}, ${completion.maxWords} words`);
      signal.addEventListener("abort", () => this.log.push("stop"));
      return { update: () => this.log.push("update") };
    };
    await runWhileOn("completion", { site: "a.example", defaults: SETTINGS, start }, this.life.signal);
  }

  /** What document.open() does to a document, in the eyes of an observer. */
  rebuild(root: string | null): void {
    this.#document.documentElement = root;
    for (const told of this.#watchers) told();
  }

  save(settings: object): void {
    const changes = { [SETTINGS_KEY]: { newValue: { format: 1, ...settings } } };
    for (const listener of this.#listeners) listener(changes, "local");
  }
}

const START = "start on first, 4 words";
const REBUILDS: readonly (readonly [string, readonly (string | null)[], readonly string[]])[] = [
  ["starts once in a document that stays", ["first", "first"], [START]],
  ["starts anew in a document that is built anew", ["first", "second"], [START, "stop", "start on second, 4 words"]],
  ["waits for an emptied document to be filled", ["first", null, "second"], [START, "stop", "start on second, 4 words"]],
  ["goes on in a document that gets its root back", ["first", null, "first"], [START]],
  ["waits for a document that has no root yet", [null, "first"], [START]],
];

for (const [what, [first = null, ...later], expected] of REBUILDS) {
  test(`a feature ${what}`, async () => {
    const frame = new Frame(first);
    await frame.run();
    for (const root of later) frame.rebuild(root);
    assert.deepEqual(frame.log, expected);
  });
}

test("a feature that starts anew has the settings of now", async () => {
  const frame = new Frame("first");
  await frame.run();
  frame.save({ completion: { maxWords: 2 } });
  frame.rebuild("second");
  assert.deepEqual(frame.log, [START, "update", "stop", "start on second, 2 words"]);
});

test("a feature that is off stays off in a document that is built anew, until switched on", async () => {
  const frame = new Frame("first", { off: { completion: ["a.example"] } });
  await frame.run();
  frame.rebuild("second");
  assert.deepEqual(frame.log, []);
  frame.save({});
  frame.rebuild("second");
  assert.deepEqual(frame.log, ["start on second, 4 words"]);
});

test("a feature whose life ended is started no more", async () => {
  const frame = new Frame("first");
  await frame.run();
  frame.life.abort();
  frame.rebuild("second");
  frame.save({});
  assert.deepEqual(frame.log, [START, "stop"]);
});
