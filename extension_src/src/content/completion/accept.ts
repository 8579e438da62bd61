/** Puts accepted text into a field as typing would, so that undo and the site's scripts see it. */

import type { Field } from "./fields.ts";

/** Inserts at the caret; false if the field would not have it. */
export function insertText(field: Field, text: string): boolean {
  // Deprecated and without a successor: the only way that keeps the undo stack and fires
  // beforeinput and input as trusted events, in both browsers.
  if (document.execCommand("insertText", false, text)) return true;
  // Editors that take `beforeinput` over have it refused, and have put the text in themselves.
  if (field.kind === "editable") return false;
  const control = field.element;
  const { selectionStart: start, selectionEnd: end } = control;
  if (start === null || end === null) return false;
  control.setRangeText(text, start, end, "end");
  control.dispatchEvent(
    new InputEvent("input", { bubbles: true, composed: true, inputType: "insertText", data: text }),
  );
  return true;
}

/** Whether `text` fits: the browser would cut it silently at `maxlength` (UTF-16 code units). */
export function hasRoomFor(field: Field, text: string): boolean {
  if (field.kind === "editable") return true;
  const { maxLength, value } = field.element;
  return maxLength < 0 || value.length + text.length <= maxLength;
}
