/**
 * Chrome: the engine lives in an offscreen document, which outlives the service worker.
 *
 * host/firefox.ts has the same exports; the build picks one of the two as `#host`.
 */

import type { Runtime } from "../generated/runtime.ts";
import type { Host } from "./host.ts";

const OFFSCREEN_PAGE = "offscreen.html";
/** Sent by the background, answered `true` by the offscreen page once it takes ports. */
const READY = { kind: "offscreen.ready" } as const;
const READY_TRIES = 100;
const READY_WAIT_MS = 20;

export function createHost(_runtime: Runtime): Host {
  let ensuring: Promise<void> | null = null;
  return {
    ensure() {
      // One at a time: a second createDocument while the first is under way is an error.
      ensuring ??= openOffscreen().finally(() => {
        ensuring = null;
      });
      return ensuring;
    },
  };
}

async function openOffscreen(): Promise<void> {
  if (!(await isOpen())) {
    try {
      await chrome.offscreen.createDocument({
        url: OFFSCREEN_PAGE,
        reasons: [chrome.offscreen.Reason.WORKERS],
        justification: "Runs the language models in a worker, away from pages.",
      });
    } catch (error) {
      // An earlier life of this service worker may have begun to open it in between.
      if (!(await isOpen())) throw error;
    }
  }
  await untilReady();
}

async function isOpen(): Promise<boolean> {
  const contexts = await chrome.runtime.getContexts({
    contextTypes: [chrome.runtime.ContextType.OFFSCREEN_DOCUMENT],
  });
  return contexts.length > 0;
}

/** A document that exists may still be loading: it is ready when it says so. */
async function untilReady(): Promise<void> {
  for (let attempt = 0; attempt < READY_TRIES; attempt += 1) {
    if (await saysReady()) return;
    await new Promise((resolve) => setTimeout(resolve, READY_WAIT_MS));
  }
  throw new Error(`${OFFSCREEN_PAGE}: not ready after ${READY_TRIES * READY_WAIT_MS} ms`);
}

async function saysReady(): Promise<boolean> {
  try {
    return (await chrome.runtime.sendMessage(READY)) === true;
  } catch {
    return false; // "Receiving end does not exist": its script has not run yet
  }
}

/** The offscreen page's side of the handshake; call it after the page takes ports. */
export function announceReady(): void {
  chrome.runtime.onMessage.addListener((message: unknown, sender, respond) => {
    const kind = (message as { readonly kind?: unknown } | null)?.kind;
    if (kind === READY.kind && sender.id === chrome.runtime.id) respond(true);
  });
}
