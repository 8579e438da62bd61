/**
 * How content scripts and UI pages speak to the rest of the extension: the only file outside of
 * host/, background/ and ui/ that touches the browser's extension API.
 *
 * `chrome.*` returns promises in Manifest V3 of both browsers, so no other name is needed.
 */

import { createClient, type Client } from "./client.ts";
import type { Port } from "./port.ts";
import type { BackgroundMessages, FromHost, PageMessages, ToHost } from "./messages.ts";
import { readSettings, SETTINGS_KEY, type Settings } from "./settings.ts";

export { CallFailed, type CallOptions, type Client } from "./client.ts";

/**
 * Opens a client that ends with `signal`. Cheap: no port is opened before the first call.
 * `client` names the caller in the host's log, e.g. "moderation" or "popup".
 */
export function connect(options: { readonly client: string; readonly signal: AbortSignal }): Client {
  return createClient(
    {
      open: async () => {
        await sendToBackground("host.ensure", {});
        return extensionPort(chrome.runtime.connect({ name: options.client }));
      },
      isOrphaned,
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      now: () => performance.now(),
    },
    options.signal,
  );
}

/**
 * Whether the extension of this script was updated or removed. Chrome takes `runtime.id` away from
 * such a script and lets it run; Firefox stops it, so that there it cannot even ask.
 */
export function isOrphaned(): boolean {
  return chrome.runtime?.id === undefined;
}

function extensionPort(port: chrome.runtime.Port): Port<FromHost, ToHost> {
  return {
    post: (message) => port.postMessage(message),
    onMessage: (listener) => port.onMessage.addListener(listener),
    onClose: (listener) =>
      port.onDisconnect.addListener(() => {
        // Reading it tells Chrome that the error was seen; it says nothing that we act on.
        void chrome.runtime?.lastError;
        listener();
      }),
    close: () => port.disconnect(),
  };
}

/** One message to the background. Rejects when it cannot be reached. */
export async function sendToBackground<N extends keyof BackgroundMessages>(
  name: N,
  req: BackgroundMessages[N]["req"],
): Promise<BackgroundMessages[N]["res"]> {
  const res: BackgroundMessages[N]["res"] | undefined = await chrome.runtime.sendMessage({
    kind: name,
    req,
  });
  if (res === undefined) throw new Error(`${name}: no answer from the background`);
  return res;
}

export type PageHandlers = {
  readonly [N in keyof PageMessages]: (
    req: PageMessages[N]["req"],
  ) => PageMessages[N]["res"] | Promise<PageMessages[N]["res"]>;
};

/** Answers the messages of `askPage` in a content script until `signal` aborts. */
export function onPageMessage(handlers: PageHandlers, signal: AbortSignal): void {
  const listener = (
    message: unknown,
    sender: chrome.runtime.MessageSender,
    respond: (res: unknown) => void,
  ): boolean => {
    const kind = (message as { readonly kind?: unknown } | null)?.kind;
    // Only the extension's own pages: other content scripts have nothing to ask here.
    if (!sender.url?.startsWith(chrome.runtime.getURL(""))) return false;
    if (typeof kind !== "string" || !Object.hasOwn(handlers, kind)) return false;
    const { req } = message as { readonly req: PageMessages[keyof PageMessages]["req"] };
    // Not answering at all makes askPage reject, which is what a failed handler should do.
    void Promise.resolve(handlers[kind as keyof PageMessages](req)).then(respond, () =>
      respond(undefined),
    );
    return true;
  };
  chrome.runtime.onMessage.addListener(listener);
  signal.addEventListener("abort", () => {
    if (!isOrphaned()) chrome.runtime.onMessage.removeListener(listener);
  });
}

/**
 * Asks the content script in the top frame of a tab. Rejects when there is none, as on the
 * browser's own pages.
 */
export async function askPage<N extends keyof PageMessages>(
  tabId: number,
  name: N,
  req: PageMessages[N]["req"],
): Promise<PageMessages[N]["res"]> {
  const res: PageMessages[N]["res"] | undefined = await chrome.tabs.sendMessage(
    tabId,
    { kind: name, req },
    { frameId: 0 },
  );
  if (res === undefined) throw new Error(`${name}: no answer from tab ${tabId}`);
  return res;
}

export async function loadSettings(defaults: Settings): Promise<Settings> {
  const stored = await chrome.storage.local.get(SETTINGS_KEY);
  return readSettings(stored[SETTINGS_KEY], defaults);
}

export async function saveSettings(settings: Settings): Promise<void> {
  await chrome.storage.local.set({ [SETTINGS_KEY]: settings });
}

/** Calls `listener` with the settings after every later change, until `signal` aborts. */
export function watchSettings(
  defaults: Settings,
  listener: (settings: Settings) => void,
  signal: AbortSignal,
): void {
  const changed = (
    changes: { readonly [key: string]: chrome.storage.StorageChange },
    area: string,
  ): void => {
    const change = changes[SETTINGS_KEY];
    if (area === "local" && change !== undefined) listener(readSettings(change.newValue, defaults));
  };
  chrome.storage.onChanged.addListener(changed);
  signal.addEventListener("abort", () => {
    if (!isOrphaned()) chrome.storage.onChanged.removeListener(changed);
  });
}
