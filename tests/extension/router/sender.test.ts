import assert from "node:assert/strict";
import { test } from "node:test";

import type { CallName } from "../../../extension_src/src/protocol/messages.ts";
import { mayCall, roleOf, type Role, type Sender } from "../../../extension_src/src/router/sender.ts";

const SELF = { id: "abc", origin: "chrome-extension://abc/" };

const SENDERS: readonly (readonly [string, Sender | undefined, Role | null])[] = [
  ["a content script", { id: "abc", url: "https://example.com/" }, "page"],
  ["a content script in a frame without an address", { id: "abc" }, "page"],
  ["the popup", { id: "abc", url: "chrome-extension://abc/ui/popup.html" }, "ui"],
  ["another extension", { id: "xyz", url: "chrome-extension://xyz/a.html" }, null],
  ["another extension with our address", { id: "xyz", url: "chrome-extension://abc/a.html" }, null],
  ["a page that is named like us", { id: "abc", url: "https://chrome-extension//abc/" }, "page"],
  ["an extension whose id begins like ours", { id: "abc", url: "chrome-extension://abcd/x" }, "page"],
  ["nobody", undefined, null],
];

for (const [who, sender, role] of SENDERS) {
  test(`${who} is ${role ?? "refused"}`, () => assert.equal(roleOf(sender, SELF), role));
}

const RIGHTS: readonly (readonly [Role, CallName, boolean])[] = [
  ["page", "moderation.score", true],
  ["page", "completion.suggest", true],
  ["page", "engine.warm", true],
  ["page", "engine.watch", false],
  ["ui", "engine.watch", true],
  ["ui", "engine.warm", true],
];

for (const [role, name, allowed] of RIGHTS) {
  test(`${role} ${allowed ? "may" : "may not"} call ${name}`, () =>
    assert.equal(mayCall(role, name), allowed));
}
