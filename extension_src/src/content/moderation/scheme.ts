/** Whether the page around an element is light or dark, whatever the system prefers. */

import { flatAncestors } from "../../lib/flat-tree.ts";

export type Scheme = "light" | "dark";

/** Red, green, blue and alpha, 0..1, of what `getComputedStyle` gives for sRGB colours. */
export function parseColour(css: string): readonly [number, number, number, number] | null {
  const match = /^rgba?\(([^)]*)\)$/.exec(css);
  const numbers = (match?.[1] ?? "").split(/[\s,/]+/).map(Number);
  const [red, green, blue, alpha = 1] = numbers;
  if (red === undefined || green === undefined || blue === undefined) return null;
  if (numbers.some(Number.isNaN)) return null;
  return [red / 255, green / 255, blue / 255, alpha];
}

/** Relative luminance, 0..1 (WCAG 2.2). */
export function luminance(red: number, green: number, blue: number): number {
  const linear = (channel: number): number =>
    channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** Luminance at which black and white text contrast equally with a background. */
const MIDDLE = 0.179;

/**
 * From the nearest background that is not see-through; where there is none, from the text's own
 * colour, which the page chose to be readable on whatever it paints.
 */
export function schemeAt(element: Element): Scheme {
  for (const ancestor of flatAncestors(element)) {
    const colour = parseColour(getComputedStyle(ancestor).backgroundColor);
    if (colour === null || colour[3] < 0.5) continue;
    return luminance(colour[0], colour[1], colour[2]) > MIDDLE ? "light" : "dark";
  }
  const text = parseColour(getComputedStyle(element).color);
  return text !== null && luminance(text[0], text[1], text[2]) > MIDDLE ? "dark" : "light";
}
