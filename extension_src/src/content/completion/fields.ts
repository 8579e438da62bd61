/**
 * Which fields get ghost text. When in doubt, none: a suggestion in the wrong field costs more trust
 * than a hundred good ones earn.
 */

/** Why a field gets none. A closed set, so that a debug view can list it. */
export const EXCLUSIONS = [
  "kind", // no field for prose: a number, a date, a search box, an address
  "password", // is one, or was one before somebody pressed the eye
  "autofill", // the browser fills it with data about the person
  "sensitive", // called like a card number, a code, an account
  "not-writable", // read-only or disabled
  "opted-out", // the site asks writing tools to stay away
  "own-suggestions", // the site completes it itself
] as const;
export type Exclusion = (typeof EXCLUSIONS)[number];

/** What the decision needs to know about a field. */
export interface FieldFacts {
  readonly kind: "textarea" | "input" | "editable";
  /** `type` of an input, lower case; empty for the others. */
  readonly type: string;
  readonly wasPassword: boolean;
  readonly autocomplete: string;
  /** name, id, label and placeholder: whatever tells what belongs in it. */
  readonly names: readonly string[];
  readonly isWritable: boolean;
  readonly inputMode: string;
  readonly role: string;
  readonly ariaAutocomplete: string;
  readonly spellcheck: string | null;
  readonly grammarly: string | null;
}

/** HTML autofill tokens (HTML standard, 4.10.18.7) of data that is nobody's prose. */
const AUTOFILL =
  /^(?:one-time-code|(?:current|new)-password|cc-.*|tel.*|bday.*|username|email|impp|url|webauthn|transaction-.*|postal-code)$/;
/** Words in the name of a field, whatever its kind. */
const SECRET =
  /^(?:passwords?|passwd|pwd|passcode|passphrase|secret|mnemonic|otp|totp|mfa|2fa|ssn|iban|cvv|cvc|token|apikey)$/;
/** The same for single lines, where a "card" is not something to write on. */
const SENSITIVE_LINE =
  /^(?:card|cc|csc|pin|bic|swift|passport|captcha|cardnumber|cardnum|ccnumber|ccnum|creditcard|securitycode|accountnumber|routingnumber|socialsecurity|taxid|vat|phone|email|zip|postcode|username|login)$/;
const TEXT_MODES: ReadonlySet<string> = new Set(["", "text"]);
const PROSE_ROLES: ReadonlySet<string> = new Set(["", "textbox", "document", "none", "presentation"]);

/** Why the field gets no ghost text, or null if it does. */
export function exclusion(facts: FieldFacts): Exclusion | null {
  if (facts.type === "password" || facts.wasPassword) return "password";
  if (facts.kind === "input" && facts.type !== "text") return "kind";
  if (!TEXT_MODES.has(facts.inputMode) || !PROSE_ROLES.has(facts.role)) return "kind";
  if (!facts.isWritable) return "not-writable";
  if (facts.autocomplete.toLowerCase().split(/\s+/).some((token) => AUTOFILL.test(token))) {
    return "autofill";
  }
  if (isSensitive(facts)) return "sensitive";
  if (facts.spellcheck === "false" || facts.grammarly === "false") return "opted-out";
  if (facts.ariaAutocomplete === "list" || facts.ariaAutocomplete === "both") {
    return "own-suggestions";
  }
  return null;
}

function isSensitive({ kind, names }: FieldFacts): boolean {
  const words = names.flatMap(wordsOf);
  return words.some(
    (word) => SECRET.test(word) || (kind === "input" && SENSITIVE_LINE.test(word)),
  );
}

/** "billing[cardNumber]" → billing, card, number, cardnumber. */
function wordsOf(name: string): readonly string[] {
  const words = name
    .replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");
  const pairs = words.slice(1).map((word, index) => `${words[index] ?? ""}${word}`);
  return [...words, ...pairs];
}

export type Control = HTMLTextAreaElement | HTMLInputElement;
export type Field =
  | { readonly kind: "control"; readonly element: Control }
  | { readonly kind: "editable"; readonly element: HTMLElement };

/** The field that an element with the focus is, or is part of; null if it is none. */
export function fieldAt(element: Element | null): Field | null {
  if (element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement) {
    return { kind: "control", element };
  }
  if (!(element instanceof HTMLElement) || !element.isContentEditable) return null;
  let host = element;
  while (host.parentElement?.isContentEditable === true) host = host.parentElement;
  return { kind: "editable", element: host };
}

export function factsOf(field: Field, wasPassword: boolean): FieldFacts {
  const { element } = field;
  const attribute = (name: string): string => element.getAttribute(name)?.toLowerCase() ?? "";
  const isInput = element instanceof HTMLInputElement;
  const labels = field.kind === "control" ? [...(field.element.labels ?? [])] : [];
  return {
    kind: field.kind === "editable" ? "editable" : isInput ? "input" : "textarea",
    type: isInput ? element.type : "",
    wasPassword,
    autocomplete: attribute("autocomplete"),
    names: [
      ...["name", "id", "aria-label", "placeholder"].map((name) => element.getAttribute(name) ?? ""),
      ...labels.map((label) => label.textContent.slice(0, 200)),
    ],
    isWritable: field.kind === "editable" || !(field.element.readOnly || field.element.disabled),
    inputMode: attribute("inputmode"),
    role: attribute("role"),
    ariaAutocomplete: attribute("aria-autocomplete"),
    spellcheck: closest(element, "spellcheck"),
    grammarly: closest(element, "data-enable-grammarly") ?? closest(element, "data-gramm"),
  };
}

/** An attribute that descendants inherit. */
function closest(element: Element, attribute: string): string | null {
  return element.closest(`[${attribute}]`)?.getAttribute(attribute)?.toLowerCase() ?? null;
}
