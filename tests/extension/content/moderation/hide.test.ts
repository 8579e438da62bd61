import assert from "node:assert/strict";
import { test } from "node:test";

import { hide, showLeftOver, type Styled } from "../../../../extension_src/src/content/moderation/hide.ts";

/** An element that has attributes and an inline style, and nothing else. */
class FakeStyled {
  readonly attributes = new Map<string, string>();
  readonly #declarations = new Map<string, readonly [string, string]>();

  constructor(style: { readonly [property: string]: string } | null, ariaHidden: string | null) {
    if (style !== null) this.setStyle(style);
    if (ariaHidden !== null) this.attributes.set("aria-hidden", ariaHidden);
  }

  /** As a page's script does that assigns `style.cssText`. */
  setStyle(style: { readonly [property: string]: string }): void {
    this.#declarations.clear();
    for (const [property, value] of Object.entries(style)) this.#declarations.set(property, [value, ""]);
    this.#write();
  }

  #write(): void {
    const text = [...this.#declarations].map(
      ([property, [value, priority]]) => `${property}: ${value}${priority === "" ? "" : " !important"};`,
    );
    this.attributes.set("style", text.join(" "));
  }

  readonly style = {
    getPropertyValue: (property: string): string => this.#declarations.get(property)?.[0] ?? "",
    getPropertyPriority: (property: string): string => this.#declarations.get(property)?.[1] ?? "",
    setProperty: (property: string, value: string, priority = ""): void => {
      this.#declarations.set(property, [value, priority]);
      this.#write();
    },
    removeProperty: (property: string): void => {
      this.#declarations.delete(property);
      this.#write();
    },
  };

  hasAttribute(name: string): boolean {
    return this.attributes.has(name);
  }
  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name);
    if (name === "style") this.#declarations.clear();
  }
}

const asStyled = (element: FakeStyled): Styled => element as unknown as Styled;
const attributesOf = (element: FakeStyled): object => Object.fromEntries(element.attributes);

for (const [name, style, ariaHidden] of [
  ["an element without attributes", null, null],
  ["an element with a style of its own", { color: "red", opacity: "0.5" }, null],
  ["an element that was hidden from screen readers", null, "true"],
  ["an element that was explicitly not hidden", {}, "false"],
] as const) {
  test(`${name} is hidden and then exactly as it was`, () => {
    const element = new FakeStyled(style, ariaHidden);
    const before = attributesOf(element);
    const hidden = hide(asStyled(element));
    assert.equal(element.style.getPropertyValue("visibility"), "hidden");
    assert.equal(element.style.getPropertyPriority("visibility"), "important");
    assert.equal(element.getAttribute("aria-hidden"), "true");
    hidden.reapply();
    hidden.restore();
    assert.deepEqual(attributesOf(element), before);
  });
}

test("a page that rewrites the style is overruled, and gets its newest wish back", () => {
  const element = new FakeStyled({ color: "red" }, null);
  const hidden = hide(asStyled(element));
  element.setStyle({ color: "blue", visibility: "visible" });
  element.removeAttribute("aria-hidden");
  hidden.reapply();
  assert.equal(element.style.getPropertyValue("visibility"), "hidden");
  assert.equal(element.getAttribute("aria-hidden"), "true");
  hidden.restore();
  assert.deepEqual(attributesOf(element), { style: "color: blue; visibility: visible;" });
});

test("a page that removes the style does not get one back", () => {
  const element = new FakeStyled({ color: "red" }, null);
  const hidden = hide(asStyled(element));
  element.removeAttribute("style");
  hidden.reapply();
  hidden.restore();
  assert.deepEqual(attributesOf(element), {});
});

test("once restored, it stays so", () => {
  const element = new FakeStyled(null, null);
  const hidden = hide(asStyled(element));
  hidden.restore();
  hidden.reapply();
  hidden.restore();
  assert.deepEqual(attributesOf(element), {});
});

test("what an earlier life of the script left hidden is shown", () => {
  const element = new FakeStyled({ color: "red" }, null);
  hide(asStyled(element));
  showLeftOver(asStyled(element));
  assert.deepEqual(attributesOf(element), { style: "color: red;" });
});

test("what the page hides itself stays hidden", () => {
  const element = new FakeStyled({ visibility: "hidden", opacity: "0", transition: "none" }, "true");
  const before = attributesOf(element);
  showLeftOver(asStyled(element));
  assert.deepEqual(attributesOf(element), before);
});
