import assert from "node:assert/strict";
import { test } from "node:test";

import { ownText } from "../../../../extension_src/src/content/moderation/blocks.ts";
import { observe } from "../../../../extension_src/src/content/moderation/observe.ts";
import { asElement, el, type FakeElement } from "../../support/dom.ts";
import { openPage, type Bench } from "./fake_browser.ts";

/** What is told about the page, in order: the text of a block, or what is none any more. */
function watch({ document, page }: Bench): string[] {
  const told: string[] = [];
  observe(
    document,
    page,
    {
      onBlock: (block) => told.push(ownText(block, page)),
      onGone: (element) => told.push(`gone: ${ownText(element, page)}`),
      onChange: () => undefined,
    },
    new AbortController().signal,
  );
  return told;
}

test("elements that the parser tells of one by one, each in the last, are walked once", () => {
  const nested: FakeElement[] = [el("div", {}, "innermost")];
  for (let depth = 1; depth < 300; depth += 1) nested.unshift(el("div", {}, ...nested.slice(0, 1)));
  const bench = openPage(...nested.slice(0, 1));
  const told = watch(bench);
  bench.settle();
  bench.passes.clear();
  bench.add(...nested);
  bench.settle();
  assert.deepEqual([...new Set(bench.passes.values())], [1]);
  assert.equal(bench.passes.size, nested.length);
  assert.deepEqual(told.slice(0, 1), ["innermost"]);
});

test("thousands of custom elements that never open hold up nothing, and come to an end", () => {
  const cards = Array.from({ length: 3000 }, () => el("x-card"));
  const bench = openPage(...cards, el("p", {}, "text"));
  const told = watch(bench);
  bench.load();
  assert.ok(bench.settle() < 500);
  assert.deepEqual(new Set(told), new Set(["text"]));
  assert.ok(bench.passes.size >= cards.length);
});

test("a shadow root that is attached later is looked into at the next news, also behind many", () => {
  const card = el("x-card");
  const others = Array.from({ length: 1000 }, () => el("x-card"));
  const bench = openPage(...others, card);
  const told = watch(bench);
  bench.settle();
  bench.open(card, el("p", {}, "in the shadow"));
  bench.add(el("br"));
  bench.settle();
  assert.ok(told.includes("in the shadow"));
});

test("once the page has loaded, blocks are what late style sheets made of them", () => {
  const parts = [el("span", {}, "One "), el("span", {}, "two")];
  const single = el("p", {}, "Three");
  const bench = openPage(el("div", {}, ...parts), el("section", {}, single));
  const told = watch(bench);
  bench.settle();
  assert.deepEqual(told.splice(0), ["One two", "Three"]);
  for (const part of parts) bench.restyle(part, "block");
  bench.restyle(single, "inline");
  bench.load();
  bench.settle();
  assert.deepEqual(new Set(told), new Set(["", "gone: Three", "One", "two", "Three"]));
});

test("a block is read once for each walk over it", () => {
  const block = el("p", {}, "Never ", el("b", {}, "ever"), " back");
  const bench = openPage(block);
  const told = watch(bench);
  bench.settle();
  bench.load();
  bench.settle();
  assert.deepEqual(told, ["Never ever back", "Never ever back"]);
  assert.equal(bench.passes.get(asElement(block)), 2);
});
