import assert from "node:assert/strict";
import { test } from "node:test";

import type { Runtime } from "../../../extension_src/src/generated/runtime.ts";
import {
  defaultSettings,
  isOn,
  readSettings,
  type Settings,
} from "../../../extension_src/src/protocol/settings.ts";

const NONE: Pick<Runtime, "models"> = { models: { moderation: null, completion: null } };
const DEFAULTS: Settings = {
  ...defaultSettings(NONE),
  thresholds: { toxic: 0.8, threat: 0.6 },
  completion: { minConfidence: 0.3, maxWords: 5 },
};

const stored = (changes: object): unknown => ({ ...DEFAULTS, ...changes });

test("a package without models has settings all the same", () => {
  const settings = defaultSettings(NONE);
  assert.deepEqual(settings.thresholds, {});
  assert.equal(settings.completion.minConfidence, 1);
});

for (const nothing of [undefined, null, 1, "settings", [], {}, { format: 2 }]) {
  test(`storage that holds ${JSON.stringify(nothing)} gives the defaults`, () => {
    assert.deepEqual(readSettings(nothing, DEFAULTS), DEFAULTS);
  });
}

test("what was saved comes back", () => {
  const settings: Settings = {
    format: 1,
    paused: true,
    enabled: { moderation: false, completion: true },
    off: { moderation: ["a.example"], completion: ["b.example"] },
    thresholds: { toxic: 0.1, threat: 1 },
    completion: { minConfidence: 0, maxWords: 32 },
  };
  assert.deepEqual(readSettings(structuredClone(settings), DEFAULTS), settings);
});

const MENDED: readonly (readonly [string, object, object])[] = [
  ["a threshold beyond 1", { thresholds: { toxic: 7, threat: 0.5 } }, { thresholds: { toxic: 0.8, threat: 0.5 } }],
  ["a threshold that is no number", { thresholds: { toxic: "x" } }, { thresholds: DEFAULTS.thresholds }],
  ["a label that the model lost", { thresholds: { gone: 0.5 } }, { thresholds: DEFAULTS.thresholds }],
  ["sites that are no list", { off: { moderation: "a", completion: [1, "b"] } }, { off: { moderation: [], completion: ["b"] } }],
  ["words without end", { completion: { minConfidence: 0.4, maxWords: 1e9 } }, { completion: { minConfidence: 0.4, maxWords: 5 } }],
];

for (const [what, changes, expected] of MENDED) {
  test(`${what} costs only its own value`, () => {
    assert.deepEqual(readSettings(stored(changes), DEFAULTS), { ...DEFAULTS, ...expected });
  });
}

test("a feature runs where it is neither switched off nor excepted", () => {
  const settings = { ...DEFAULTS, off: { moderation: ["a.example"], completion: [] } };
  assert.equal(isOn(settings, "moderation", "a.example"), false);
  assert.equal(isOn(settings, "moderation", "b.example"), true);
  assert.equal(isOn(settings, "completion", "a.example"), true);
  const off = { ...settings, enabled: { moderation: true, completion: false } };
  assert.equal(isOn(off, "completion", "b.example"), false);
  assert.equal(isOn({ ...settings, paused: true }, "moderation", "b.example"), false);
});
