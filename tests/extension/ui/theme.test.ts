import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(
  new URL("../../../extension_src/static/ui/theme.css", import.meta.url),
  "utf8",
);
/** Colours by name: the light scheme, then the dark one. */
const schemes = [...css.matchAll(/:root \{([^}]*)\}/g)].map(
  ([, block]) => new Map([...(block ?? "").matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((m) => [m[1], m[2]])),
);

/** WCAG 2.2, "contrast ratio". */
function contrast(one: string, other: string): number {
  const [light, dark] = [one, other].map(luminance).sort((a, b) => b - a);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

const TEXT = 4.5;
const CONTROL = 3;
const PAIRS: readonly (readonly [string, string, number])[] = [
  ["ink", "paper", TEXT],
  ["ink", "sheet", TEXT],
  ["ink", "sunk", TEXT],
  ["ink", "accent-wash", TEXT],
  ["soft-ink", "paper", TEXT],
  ["soft-ink", "sheet", TEXT],
  ["soft-ink", "accent-wash", TEXT],
  ["accent", "paper", TEXT],
  ["accent", "sheet", TEXT],
  ["accent", "accent-wash", TEXT],
  ["on-accent", "accent", TEXT],
  ["bad", "paper", TEXT],
  ["bad", "sheet", TEXT],
  ["good", "paper", CONTROL],
  ["strong-edge", "sheet", CONTROL],
  ["strong-edge", "sunk", CONTROL],
];

for (const [index, scheme] of ["light", "dark"].entries()) {
  for (const [one, other, least] of PAIRS) {
    test(`${scheme}: ${one} on ${other} has a contrast of ${least}`, () => {
      const [a, b] = [schemes[index]?.get(one), schemes[index]?.get(other)];
      assert.ok(a !== undefined && b !== undefined);
      assert.ok(contrast(a, b) >= least, `${a} on ${b}: ${contrast(a, b).toFixed(2)}`);
    });
  }
}
