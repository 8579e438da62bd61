import assert from "node:assert/strict";
import { test } from "node:test";

import {
  blockOf,
  isVeilable,
  isWorthJudging,
  ownText,
  walk,
  type Page,
} from "../../../../extension_src/src/content/moderation/blocks.ts";
import { asElement, byId, displayOf, el, type FakeElement } from "../../support/dom.ts";

const page: Page = {
  display: displayOf,
  shadowRoot: () => null,
  isOurs: (element) => element.localName === "sidelight-overlay",
};

/** Own texts of all blocks below `root`, in the order of the walk. */
function texts(root: FakeElement): readonly string[] {
  const found: string[] = [];
  for (const find of walk(asElement(root), page)) {
    if (find.kind === "block") found.push(ownText(find.element, page));
  }
  return found;
}

const CASES: readonly (readonly [string, FakeElement, readonly string[]])[] = [
  [
    "a paragraph with inline elements is one text",
    el("p", {}, "Never ", el("b", {}, "ever ", el("a", {}, "look")), " back"),
    ["Never ever look back"],
  ],
  ["white space is collapsed", el("p", {}, "\n   One\t two \n", el("b", {}, " three")), ["One two three"]],
  [
    "each block has its own text",
    el("div", {}, el("p", {}, "First"), el("p", {}, "Second")),
    ["First", "Second"],
  ],
  [
    "a container's own text is apart from that of the blocks in it",
    el("li", {}, "Mine", el("ul", {}, el("li", {}, "Theirs")), "and mine again"),
    ["Mine\nand mine again", "Theirs"],
  ],
  ["a line break is a newline", el("p", {}, "One", el("br"), "Two"), ["One\nTwo"]],
  [
    "an inline element that is laid out as a block is one",
    el("p", {}, "Before", el("span", { display: "block" }, "inside"), "after"),
    ["Before\nafter", "inside"],
  ],
  [
    "display: contents passes text through to the block around it",
    el("p", {}, "One ", el("div", { display: "contents" }, "two")),
    ["One two"],
  ],
  [
    "text that is hidden in a line does not belong to it",
    el("p", {}, "Seen", el("span", { display: "none" }, "hidden")),
    ["Seen", "hidden"],
  ],
  [
    "code, scripts, styles and controls say nothing",
    el(
      "div",
      {},
      ...["pre", "code", "script", "style", "textarea", "select", "noscript", "svg"].map((name) =>
        el(name, {}, "some words"),
      ),
    ),
    [],
  ],
  ["code in a sentence is left out", el("p", {}, "Call ", el("code", {}, "kill()"), " now"), ["Call now"]],
  ["text being edited is not judged", el("div", { contenteditable: "" }, el("p", {}, "a draft")), []],
  [
    "an island that is not editable is",
    el("div", {}, el("p", { contenteditable: "false" }, "a quote")),
    ["a quote"],
  ],
  ["a text box of a rich editor is not judged", el("div", { role: "textbox" }, "a draft"), []],
  ["our own layer is not judged", el("sidelight-overlay", {}, "Hidden: insult"), []],
  ["an empty page has no blocks", el("body", {}, "\n  ", el("div", {}, "  ")), []],
];

for (const [name, root, expected] of CASES) {
  test(name, () => assert.deepEqual(texts(root), expected));
}

test("the block of added text is the nearest one around it, none in what is skipped", () => {
  const root = el(
    "div",
    { id: "root" },
    el("p", { id: "p" }, el("b", { id: "b" }, "text")),
    el("div", { contenteditable: "true" }, el("p", { id: "draft" }, "text")),
  );
  const block = (id: string): string | null | undefined =>
    blockOf(asElement(byId(root, id)), page)?.getAttribute("id");
  assert.equal(block("b"), "p");
  assert.equal(block("root"), "root");
  assert.equal(block("draft"), undefined);
});

test("a walk from an inline element finds the block around it", () => {
  const root = el("p", { id: "p" }, "One ", el("b", { id: "b" }, "two"));
  const finds = [...walk(asElement(byId(root, "b")), page)].filter(({ kind }) => kind === "block");
  assert.equal(finds.length, 1);
  assert.equal(finds[0]?.kind === "block" && finds[0].element, asElement(root));
});

for (const [text, expected] of [
  ["No!", false],
  ["OK", false],
  ["3.141592", false],
  ["12 kg", false],
  ["a-b-c", true],
  ["Bad", true],
  ["żle", true],
] as const) {
  test(`${JSON.stringify(text)} is ${expected ? "" : "not "}worth judging`, () => {
    assert.equal(isWorthJudging(text), expected);
  });
}

test("what is moved while a walk is under way is not taken for a part of its old block", () => {
  const root = el("div", {}, el("p", {}, "First"), el("b", { id: "moved" }, "Second"));
  const finds: string[] = [];
  for (const find of walk(asElement(root), page)) {
    if (find.kind === "step" && find.element.localName === "p") byId(root, "moved").parentNode = null;
    if (find.kind !== "root") finds.push(`${find.kind} ${find.element.localName}`);
  }
  assert.deepEqual(finds, ["step div", "step p", "block p"]);
});

const INSULT = "You are a waste of space, all of you.";
const LONG = "words ".repeat(1000);

for (const [name, block, expected] of [
  ["a stray line does not veil the page around it", el("body", {}, INSULT, el("p", {}, LONG)), false],
  ["nor the code around it", el("div", {}, INSULT, el("pre", {}, LONG)), false],
  ["a little text beside it may go with it", el("div", {}, INSULT, el("p", {}, "Reply")), true],
  ["a third of the text decides for all of it", el("div", {}, LONG, el("p", {}, LONG)), true],
  [
    "data that no reader sees does not keep a text from being veiled",
    el(
      "div",
      {},
      el("script", {}, LONG),
      INSULT,
      el("style", {}, LONG),
      el("div", {}, el("template", {}, LONG)),
    ),
    true,
  ],
  [
    "nor does the white space of the page's source",
    el("div", {}, " ".repeat(5000), INSULT, el("p", {}, `Reply${"\n ".repeat(5000)}now`)),
    true,
  ],
] as const) {
  test(name, () => {
    const own = ownText(asElement(block), page).length;
    assert.equal(isVeilable(asElement(block), own, page), expected);
  });
}
