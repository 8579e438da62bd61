import assert from "node:assert/strict";
import { test } from "node:test";

import {
  exclusion,
  type Exclusion,
  type FieldFacts,
} from "../../../../extension_src/src/content/completion/fields.ts";

const LINE: FieldFacts = {
  kind: "input",
  type: "text",
  wasPassword: false,
  autocomplete: "",
  names: [],
  isWritable: true,
  inputMode: "",
  role: "",
  ariaAutocomplete: "",
  spellcheck: null,
  grammarly: null,
};
const AREA: FieldFacts = { ...LINE, kind: "textarea", type: "" };
const RICH: FieldFacts = { ...LINE, kind: "editable", type: "" };

const CASES: readonly (readonly [string, FieldFacts, Exclusion | null])[] = [
  ["a text line is completed", LINE, null],
  ["a text area is completed", AREA, null],
  ["rich content is completed", RICH, null],
  ["rich content with the role of a text box is completed", { ...RICH, role: "textbox" }, null],
  ["a subject is completed", { ...LINE, names: ["subject", "Betreff"] }, null],
  ["autocomplete=off alone is no reason", { ...AREA, autocomplete: "off" }, null],
  ["a place to discuss a card is completed", { ...AREA, names: ["card-back-description"] }, null],
  ["a discarded postcard is no card", { ...LINE, names: ["postcard_text", "discard"] }, null],
  ["a shopping list is no pin", { ...LINE, names: ["shopping", "spinner"] }, null],
  ["spellcheck=true is no reason", { ...AREA, spellcheck: "true" }, null],

  ["a password", { ...LINE, type: "password" }, "password"],
  ["a password that is shown", { ...LINE, wasPassword: true }, "password"],
  ...["search", "email", "url", "tel", "number", "date", "hidden", "checkbox"].map(
    (type) => [`an input of type ${type}`, { ...LINE, type }, "kind"] as const,
  ),
  ["digits", { ...LINE, inputMode: "numeric" }, "kind"],
  ["a search box by role", { ...LINE, role: "searchbox" }, "kind"],
  ["a combo box", { ...LINE, role: "combobox" }, "kind"],
  ["a field nobody can write in", { ...AREA, isWritable: false }, "not-writable"],
  ["a one-time code", { ...LINE, autocomplete: "one-time-code" }, "autofill"],
  ["a new password in clear", { ...LINE, autocomplete: "new-password" }, "autofill"],
  ["a card number by autofill", { ...LINE, autocomplete: "section-pay billing CC-Number" }, "autofill"],
  ["a user name", { ...LINE, autocomplete: "username webauthn" }, "autofill"],
  ...["cardNumber", "card-number", "cc_csc", "CVV", "payment[securityCode]", "iban", "user_otp", "pin", "ssn", "socialSecurity", "Card number"].map(
    (name) => [`a line called ${name}`, { ...LINE, names: [name] }, "sensitive"] as const,
  ),
  ["a text area for a seed phrase", { ...AREA, names: ["wallet-mnemonic"] }, "sensitive"],
  ["a site that asks writing tools away", { ...RICH, grammarly: "false" }, "opted-out"],
  ["a site without spell checking", { ...AREA, spellcheck: "false" }, "opted-out"],
  ["a site that completes itself", { ...LINE, ariaAutocomplete: "both" }, "own-suggestions"],
];

for (const [name, facts, expected] of CASES) {
  test(expected === null ? name : `${name} is left out: ${expected}`, () => {
    assert.equal(exclusion(facts), expected);
  });
}
