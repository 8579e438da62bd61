/** Who is on the other end of a port, and what they may ask for. */

import type { CallName } from "../protocol/messages.ts";

/** `page`: a content script, beside a page that we do not trust. `ui`: a page of the extension. */
export type Role = "page" | "ui";

/** What the browser says of a sender; the page cannot forge it. */
export interface Sender {
  readonly id?: string | undefined;
  readonly url?: string | undefined;
}

/** The extension's own identity: its id, and its origin with the trailing slash. */
export interface Self {
  readonly id: string;
  readonly origin: string;
}

const ALLOWED: { readonly [R in Role]: ReadonlySet<CallName> } = {
  page: new Set<CallName>(["moderation.score", "completion.suggest", "engine.warm"]),
  ui: new Set<CallName>(["moderation.score", "completion.suggest", "engine.warm", "engine.watch"]),
};

/** The role of a sender, or null for one that is not of this extension. */
export function roleOf(sender: Sender | undefined, self: Self): Role | null {
  if (sender === undefined || sender.id !== self.id) return null;
  return sender.url?.startsWith(self.origin) ? "ui" : "page";
}

export function mayCall(role: Role, name: CallName): boolean {
  return ALLOWED[role].has(name);
}
