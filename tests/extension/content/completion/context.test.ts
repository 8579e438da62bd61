import assert from "node:assert/strict";
import { test } from "node:test";

import {
  controlContext,
  editableContext,
  type TextStyle,
} from "../../../../extension_src/src/content/completion/context.ts";
import { LIMITS } from "../../../../extension_src/src/protocol/messages.ts";
import { asElement, byId, displayOf, el, type FakeElement } from "../../support/dom.ts";

const style: TextStyle = {
  isBlock: (element) => displayOf(element) === "block",
  isPreserved: (element) => element.getAttribute("white-space") === "pre-wrap",
};

/** Text before and after the caret at `offset` in child `child` of the element `id`. */
function around(root: FakeElement, id: string, child: number, offset: number): readonly [string, string] {
  const node = byId(root, id).childNodes[child] as unknown as Node;
  const { before, after } = editableContext(asElement(root), { node, offset }, style);
  return [before, after];
}

const note = el(
  "div",
  { id: "root" },
  el("p", { id: "one" }, "Dear Ada,"),
  el("p", { id: "two" }, "I am ", el("b", { id: "bold" }, "really"), " glad."),
  el("p", { id: "three" }, "Bye"),
);

const CASES: readonly (readonly [string, FakeElement, string, number, number, readonly [string, string]])[] = [
  ["at the start there is nothing before", note, "one", 0, 0, ["", "Dear Ada,\nI am really glad.\nBye"]],
  ["borders of blocks are newlines", note, "three", 0, 3, ["Dear Ada,\nI am really glad.\nBye", ""]],
  ["a new line is begun at the start of a block", note, "three", 0, 0, ["Dear Ada,\nI am really glad.\n", "Bye"]],
  ["inline elements are no border", note, "bold", 0, 2, ["Dear Ada,\nI am re", "ally glad.\nBye"]],
  ["the last of a block is followed by its end only", note, "two", 2, 6, ["Dear Ada,\nI am really glad.", "\nBye"]],
  [
    "nested borders are one newline",
    el("div", {}, el("ul", {}, el("li", {}, el("p", {}, "One"))), el("p", { id: "x" }, "Two")),
    "x", 0, 3, ["One\nTwo", ""],
  ],
  ["a line break is a newline", el("div", { id: "x" }, "One", el("br"), "Two"), "x", 2, 3, ["One\nTwo", ""]],
  [
    "white space of the source is collapsed, no-break spaces are spaces",
    el("p", { id: "x" }, "One\n   two\u00A0\u200B"), "x", 0, 13, ["One two ", ""],
  ],
  [
    "white space that is shown is kept",
    el("div", {}, el("pre", { id: "x", "white-space": "pre-wrap" }, "a\n  b")), "x", 0, 5, ["a\n  b", ""],
  ],
];

for (const [name, root, id, child, offset, expected] of CASES) {
  test(name, () => assert.deepEqual(around(root, id, child, offset), expected));
}

test("a caret between elements is understood", () => {
  const root = el("div", { id: "root" }, el("b", {}, "One"), el("b", {}, "Two"));
  const context = editableContext(asElement(root), { node: asElement(root), offset: 1 }, style);
  assert.deepEqual(context, { before: "One", after: "Two" });
});

test("a control gives what is around its caret, and nothing while text is selected", () => {
  const value = "Hello you";
  assert.deepEqual(controlContext({ value, selectionStart: 5, selectionEnd: 5 }), {
    before: "Hello",
    after: " you",
  });
  assert.equal(controlContext({ value, selectionStart: 0, selectionEnd: 5 }), null);
  assert.equal(controlContext({ value, selectionStart: null, selectionEnd: null }), null);
});

test("the context keeps to the limits of a call and cuts no surrogate pair", () => {
  const value = "😀".repeat(5000);
  const caret = 5000;
  const context = controlContext({ value: `x${value}`, selectionStart: caret + 1, selectionEnd: caret + 1 });
  assert.ok(context !== null);
  assert.ok(context.before.length <= LIMITS.charactersBefore);
  assert.ok(context.after.length <= LIMITS.charactersAfter);
  assert.ok(context.before.isWellFormed() && context.after.isWellFormed());
  const odd = controlContext({ value, selectionStart: 4000 + 6, selectionEnd: 4000 + 6 });
  assert.ok(odd?.before.isWellFormed());
  const rich = el("p", { id: "x" }, "y".repeat(9000));
  const [before, after] = around(rich, "x", 0, 5000);
  assert.deepEqual([before.length, after.length], [LIMITS.charactersBefore, LIMITS.charactersAfter]);
});
