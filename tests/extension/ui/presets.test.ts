import assert from "node:assert/strict";
import { test } from "node:test";

import { presetOf, PRESETS, presetThresholds } from "../../../extension_src/src/ui/options/presets.ts";
import {
  MAX_PERCENT,
  MIN_PERCENT,
  share,
  strictness,
  thresholdOf,
} from "../../../extension_src/src/ui/options/thresholds.ts";

const DEFAULTS = { toxic: 0.62, threat: 0.3, rare: 0.02, sure: 0.995 };

test("mild asks for more certainty than standard, strict for less, in every label", () => {
  const [mild, standard, strict] = PRESETS.map((preset) => presetThresholds(preset, DEFAULTS));
  assert.deepEqual(standard, DEFAULTS);
  for (const label of Object.keys(DEFAULTS) as readonly (keyof typeof DEFAULTS)[]) {
    const [high, middle, low] = [mild, standard, strict].map((values) => values?.[label] ?? Number.NaN);
    assert.ok(high !== undefined && middle !== undefined && low !== undefined);
    assert.ok(high > middle && middle > low && low > 0 && high < 1, label);
  }
});

for (const preset of PRESETS) {
  test(`${preset} is known again, also after sliders rounded it to percents`, () => {
    const exact = presetThresholds(preset, { toxic: 0.62, threat: 0.3 });
    assert.equal(presetOf(exact, { toxic: 0.62, threat: 0.3 }), preset);
    const rounded = Object.fromEntries(
      Object.entries(exact).map(([label, value]) => [label, Math.round(value * 100) / 100]),
    );
    assert.equal(presetOf(rounded, { toxic: 0.62, threat: 0.3 }), preset);
  });
}

test("one label of one's own makes it no preset", () => {
  assert.equal(presetOf({ toxic: 0.62, threat: 0.5 }, { toxic: 0.62, threat: 0.3 }), null);
});

test("a threshold that cannot be shifted stays", () => {
  assert.deepEqual(presetThresholds("strict", { never: 1, always: 0 }), { never: 1, always: 0 });
});

test("sliders rise with strictness and go there and back", () => {
  assert.ok(strictness(0.3) > strictness(0.6));
  for (let at = MIN_PERCENT; at <= MAX_PERCENT; at += 1) assert.equal(strictness(thresholdOf(at)), at);
  assert.deepEqual([strictness(0), strictness(1)], [MAX_PERCENT, MIN_PERCENT]);
  assert.deepEqual([share(MIN_PERCENT), share(50), share(MAX_PERCENT)], [0, 0.5, 1]);
});
