/** The life of a feature in one frame: on while the person wants it here, gone without a trace else. */

import { loadSettings, watchSettings } from "../protocol/endpoint.ts";
import type { Feature } from "../protocol/messages.ts";
import { isOn, type Settings } from "../protocol/settings.ts";

export interface Running {
  /** The person changed something, and the feature stays on. */
  readonly update: (settings: Settings) => void;
}

/**
 * Runs `start` whenever the feature is on for `site` and aborts its signal when it is switched
 * off, globally or for the site, or when `life` ends.
 *
 * It is also started anew when the page builds its document anew: document.open(), with which many
 * rich editors fill their frame, takes away every listener on document and window, ours included.
 * Observers outlive it, and tell of it by the new root element.
 */
export async function runWhileOn(
  feature: Feature,
  options: {
    readonly site: string;
    readonly defaults: Settings;
    readonly start: (settings: Settings, signal: AbortSignal) => Running;
  },
  life: AbortSignal,
): Promise<void> {
  let running: (Running & { readonly stop: () => void }) | null = null;
  let latest: Settings | null = null;
  let root: Element | null = null;

  function stop(): void {
    running?.stop();
    running = null;
  }

  function apply(settings: Settings): void {
    if (life.aborted) return;
    latest = settings;
    if (!isOn(settings, feature, options.site)) {
      stop();
    } else if (running !== null) {
      running.update(settings);
    } else if (document.documentElement !== null) {
      const off = new AbortController();
      const { update } = options.start(settings, AbortSignal.any([life, off.signal]));
      running = { update, stop: () => off.abort() };
      root = document.documentElement;
    }
  }

  const rebuilds = new MutationObserver(() => {
    const { documentElement } = document;
    // An emptied document gets its root element later, and tells of that too.
    if (latest === null || documentElement === null || documentElement === root) return;
    stop();
    apply(latest);
  });
  rebuilds.observe(document, { childList: true });
  life.addEventListener("abort", () => rebuilds.disconnect());

  watchSettings(options.defaults, apply, life);
  apply(await loadSettings(options.defaults));
}
