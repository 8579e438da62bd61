/** Copies how text is set from a field to the layer that draws ghost text over it. */

/** Properties that decide where glyphs go. */
const METRICS: readonly string[] = (
  "font-family font-size font-weight font-style font-stretch font-variant-caps font-variant-ligatures " +
  "font-variant-numeric font-variant-east-asian font-feature-settings font-variation-settings " +
  "font-kerning font-optical-sizing font-size-adjust letter-spacing word-spacing line-height " +
  "text-transform text-indent text-align text-rendering direction unicode-bidi tab-size " +
  "white-space overflow-wrap word-break line-break hyphens"
).split(" ");

const PADDINGS: readonly string[] = ["padding-top", "padding-right", "padding-bottom", "padding-left"];

export function copyMetrics(from: CSSStyleDeclaration, to: CSSStyleDeclaration): void {
  for (const property of METRICS) to.setProperty(property, from.getPropertyValue(property));
}

export function copyPaddings(from: CSSStyleDeclaration, to: CSSStyleDeclaration): void {
  for (const property of PADDINGS) to.setProperty(property, from.getPropertyValue(property));
}

/** What a site really paints text with: `-webkit-text-fill-color` goes before `color`. */
export function textColour(style: CSSStyleDeclaration): string {
  return style.getPropertyValue("-webkit-text-fill-color") || style.color;
}

export function pixels(value: string): number {
  return Number.parseFloat(value) || 0;
}
