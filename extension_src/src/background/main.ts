/** The background: Chrome's service worker, Firefox's event page. It holds no state of its own. */

import { createHost } from "#host";
import runtime from "#runtime";
import type { BackgroundMessages } from "../protocol/messages.ts";
import { badgeText, withReport, type FrameReport, type TabCounts } from "./badge.ts";

const host = createHost(runtime);

type Sender = chrome.runtime.MessageSender;
type Handlers = {
  readonly [N in keyof BackgroundMessages]: (
    req: unknown,
    sender: Sender,
  ) => Promise<BackgroundMessages[N]["res"]>;
};

const handlers: Handlers = {
  "host.ensure": async () => {
    await host.ensure();
    return { ready: true };
  },
  "badge.set": async (req, sender) => {
    const tabId = sender.tab?.id;
    const { veiled, page } = (req ?? {}) as { readonly veiled?: unknown; readonly page?: unknown };
    if (tabId !== undefined && typeof veiled === "number" && typeof page === "number" && veiled >= 0) {
      await showBadge(tabId, { frameId: sender.frameId ?? 0, page, veiled: Math.trunc(veiled) });
    }
    return { shown: true };
  },
};

/** One report after the other, so that two frames do not overwrite each other's count. */
let badges: Promise<void> = Promise.resolve();

function showBadge(tabId: number, report: FrameReport): Promise<void> {
  const key = `badge.${tabId}`;
  const shown = badges.then(async () => {
    const stored: Record<string, TabCounts | undefined> = await chrome.storage.session.get(key);
    const counts = withReport(stored[key], report);
    await chrome.storage.session.set({ [key]: counts });
    await chrome.action.setBadgeText({ tabId, text: badgeText(counts) });
  });
  // The tab may be closed by now; the next report must not wait for that.
  badges = shown.catch(() => undefined);
  return badges;
}

chrome.tabs.onRemoved.addListener((tabId) => void chrome.storage.session.remove(`badge.${tabId}`));

chrome.runtime.onMessage.addListener((message: unknown, sender, respond) => {
  const { kind, req } = (message ?? {}) as { readonly kind?: unknown; readonly req?: unknown };
  if (sender.id !== chrome.runtime.id) return false;
  if (typeof kind !== "string" || !Object.hasOwn(handlers, kind)) return false;
  // Without an answer the caller's promise resolves with undefined, which it takes as a failure.
  handlers[kind as keyof BackgroundMessages](req, sender).then(respond, () => respond(undefined));
  return true;
});
