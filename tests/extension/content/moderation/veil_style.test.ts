import assert from "node:assert/strict";
import { test } from "node:test";

import { luminance } from "../../../../extension_src/src/content/moderation/scheme.ts";
import { VEIL_CSS } from "../../../../extension_src/src/content/moderation/veil-style.ts";

/** Colours by name of the light scheme, then of the dark one. */
const schemes = [...VEIL_CSS.matchAll(/(?:--\w+: #[0-9a-f]{6};\s*)+/g)].map(
  ([block]) => new Map([...block.matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map((m) => [m[1], m[2]])),
);

function contrast(one: string, other: string): number {
  const [light, dark] = [one, other]
    .map((hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255))
    .map(([red, green, blue]) => luminance(red ?? 0, green ?? 0, blue ?? 0))
    .sort((a, b) => b - a);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

for (const [index, name] of ["light", "dark"].entries()) {
  for (const [text, ground] of [
    ["ink", "paper"],
    ["ink", "glow"],
    ["accent", "paper"],
    ["accent", "glow"],
  ] as const) {
    test(`${name}: ${text} on ${ground} has a contrast of 4.5`, () => {
      const [a, b] = [schemes[index]?.get(text), schemes[index]?.get(ground)];
      assert.ok(a !== undefined && b !== undefined);
      assert.ok(contrast(a, b) >= 4.5, `${a} on ${b}: ${contrast(a, b).toFixed(2)}`);
    });
  }
}
