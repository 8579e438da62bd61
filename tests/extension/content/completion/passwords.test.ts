import assert from "node:assert/strict";
import { test } from "node:test";

import { PasswordMemory } from "../../../../extension_src/src/content/completion/passwords.ts";

class FakeInput {
  type: string;

  constructor(type: string) {
    this.type = type;
  }
}

interface Change {
  readonly target: FakeInput;
  readonly oldValue: string | null;
}

/** Tells of changes when it is asked, or when `deliver` is called, as the browser does after a script. */
class FakeObserver {
  static records: Change[] = [];
  static deliver: () => void = () => undefined;

  constructor(callback: (records: readonly Change[]) => void) {
    FakeObserver.deliver = () => callback(this.takeRecords());
  }

  observe(): void {}
  disconnect(): void {}

  takeRecords(): readonly Change[] {
    return FakeObserver.records.splice(0);
  }
}

Object.assign(globalThis, {
  Element: FakeInput,
  HTMLInputElement: FakeInput,
  MutationObserver: FakeObserver,
});

function setType(input: FakeInput, type: string): void {
  FakeObserver.records.push({ target: input, oldValue: input.type });
  input.type = type;
}

const CASES: readonly (readonly [string, string, (input: FakeInput) => void, boolean])[] = [
  ["a password field is one", "password", () => undefined, true],
  ["a text field is none", "text", () => undefined, false],
  [
    "a password that is shown is one once its change was told",
    "password",
    (input) => {
      setType(input, "text");
      FakeObserver.deliver();
    },
    true,
  ],
  [
    "a password that is shown is one before its change was told",
    "password",
    (input) => setType(input, "text"),
    true,
  ],
  [
    "a password is one, however it was spelled",
    "PASSWORD",
    (input) => setType(input, "text"),
    true,
  ],
  ["a search box that becomes a text field is none", "search", (input) => setType(input, "text"), false],
];

for (const [name, type, happen, expected] of CASES) {
  test(name, () => {
    const passwords = new PasswordMemory(new AbortController().signal);
    const input = new FakeInput(type);
    happen(input);
    assert.equal(passwords.wasPassword(input as unknown as Element), expected);
    // And it stays what it is.
    assert.equal(passwords.wasPassword(input as unknown as Element), expected);
  });
}
