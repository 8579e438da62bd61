import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { DEMOTION_CAUSES, FEATURES, type ModelState } from "../../../extension_src/src/protocol/messages.ts";
import { isOn, type Settings } from "../../../extension_src/src/protocol/settings.ts";
import { sitesOff, withPause, withSite } from "../../../extension_src/src/ui/change.ts";
import { viewOf } from "../../../extension_src/src/ui/model-state.ts";
import { workersText } from "../../../extension_src/src/ui/options/engine.ts";
import { rowOf, siteName } from "../../../extension_src/src/ui/popup/view.ts";

const spell = (key: string, ...values: readonly string[]): string => [key, ...values].join(" ");
const SETTINGS: Settings = {
  format: 1,
  paused: false,
  enabled: { moderation: true, completion: true },
  off: { moderation: [], completion: [] },
  thresholds: {},
  completion: { minConfidence: 0.5, maxWords: 5 },
};

const READY = {
  phase: "ready",
  backend: "engine, relaxed SIMD",
  loadMs: 611.6,
  memoryBytes: 12_345_678,
  demoted: [],
} as const;
const STATES: readonly (readonly [ModelState | null, string, string, number | null])[] = [
  [null, "model_unknown", "calm", null],
  [{ phase: "absent" }, "model_absent", "calm", null],
  [{ phase: "idle" }, "model_idle", "calm", null],
  [{ phase: "loading", loadedBytes: 2_340_000, totalBytes: 9_360_000 }, "model_loading 2.3 9.4", "busy", 0.25],
  [{ phase: "loading", loadedBytes: 0, totalBytes: 0 }, "model_loading 0.0 0.0", "busy", 0],
  [READY, "model_ready", "good", null],
  [{ phase: "unloaded" }, "model_unloaded", "calm", null],
  [{ phase: "failed", reason: "weights changed" }, "model_failed weights changed", "bad", null],
];
for (const [state, text, tone, progress] of STATES) {
  test(`a model that is ${JSON.stringify(state)} reads ${text}`, () => {
    const view = viewOf(state, spell);
    assert.deepEqual([view.text, view.tone, view.progress], [text, tone, progress]);
  });
}

test("the details of a model are its backend, how long it loaded and its memory", () => {
  assert.deepEqual(viewOf(READY, spell).details, [
    ["model_backend", "engine, relaxed SIMD"],
    ["model_load_time", "engine_ms 612"],
    ["model_memory", "model_megabytes 12.3"],
  ]);
  assert.deepEqual(viewOf({ ...READY, memoryBytes: null }, spell).details[2], [
    "model_memory",
    "model_memory_unknown",
  ]);
  assert.equal(viewOf(READY, spell).note, "");
});

test("a backend that is not used is told in plain words, and what was found to who looks closer", () => {
  const words = (key: string, ...values: readonly string[]): string =>
    key === "backend_ort_webgpu" ? "The graphics card" : spell(key, ...values);
  const demoted = [
    { backend: "ort-webgpu", cause: "wrong", reason: "an error of 0.4" },
    { backend: "new-one", cause: "lost", reason: "device lost" },
  ] as const;
  const view = viewOf({ ...READY, demoted }, words);
  assert.equal(view.note, "model_demoted_wrong The graphics card model_demoted_lost new-one");
  assert.deepEqual(view.details.slice(3), [
    ["model_not_used ort-webgpu", "an error of 0.4"],
    ["model_not_used new-one", "device lost"],
  ]);
  assert.equal(view.tone, "good");
});

test("every cause for which a backend may be given up has its words in English", () => {
  const path = new URL("../../../extension_src/static/_locales/en/messages.json", import.meta.url);
  const english = JSON.parse(readFileSync(path, "utf8")) as { readonly [key: string]: unknown };
  const missing = DEMOTION_CAUSES.filter((cause) => !Object.hasOwn(english, `model_demoted_${cause}`));
  assert.deepEqual(missing, []);
});

test("the number of workers is told as one says it", () => {
  assert.deepEqual(
    [0, 1, 3].map((workers) => workersText(workers, spell)),
    ["engine_workers_none", "engine_workers_one", "engine_workers_many 3"],
  );
});

const page = (veiled: number): { readonly site: string; readonly veiled: number; readonly scanned: number } => ({
  site: "example.org",
  veiled,
  scanned: 40,
});

test("the popup tells what is hidden in words", () => {
  const note = (veiled: number): string => rowOf("moderation", SETTINGS, page(veiled), spell).note;
  assert.deepEqual([0, 1, 7].map(note), ["popup_veiled_none", "popup_veiled_one", "popup_veiled_many 7"]);
  assert.equal(rowOf("completion", SETTINGS, page(0), spell).note, "popup_keys");
});

test("a feature that is off here can be switched on here", () => {
  const off = withSite(SETTINGS, "moderation", "example.org", false);
  assert.deepEqual(rowOf("moderation", off, page(3), spell), {
    isOn: false,
    isDisabled: false,
    note: "popup_off_here",
  });
});

test("a feature that is off everywhere, or a page out of reach, has nothing to switch", () => {
  assert.deepEqual(rowOf("completion", withPause(SETTINGS, true), page(0), spell), {
    isOn: false,
    isDisabled: true,
    note: "popup_off_everywhere",
  });
  assert.equal(rowOf("completion", SETTINGS, null, spell).isDisabled, true);
});

test("local files and unknown pages have a name too", () => {
  assert.deepEqual(
    [null, "", "example.org"].map((site) => siteName(site, spell)),
    ["popup_no_site", "popup_local_file", "example.org"],
  );
});

test("sites are switched one by one, kept in order and once", () => {
  let settings = withSite(SETTINGS, "moderation", "b.example", false);
  settings = withSite(settings, "moderation", "a.example", false);
  settings = withSite(settings, "moderation", "a.example", false);
  settings = withSite(settings, "completion", "b.example", false);
  assert.deepEqual(sitesOff(settings), [
    { site: "a.example", features: ["moderation"] },
    { site: "b.example", features: ["moderation", "completion"] },
  ]);
  settings = withSite(settings, "moderation", "a.example", true);
  assert.deepEqual(sitesOff(settings).map(({ site }) => site), ["b.example"]);
});

test("a pause switches everything off, and back on only what was on", () => {
  const chosen = { ...SETTINGS, enabled: { moderation: true, completion: false } };
  const paused = withPause(chosen, true);
  const on = (settings: Settings): readonly boolean[] =>
    FEATURES.map((feature) => isOn(settings, feature, "example.org"));
  assert.deepEqual(on(paused), [false, false]);
  assert.deepEqual(on(withPause(paused, false)), [true, false]);
});
