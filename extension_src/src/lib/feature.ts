/** The life of a feature in one frame: on while the person wants it here, gone without a trace else. */

import { loadSettings, watchSettings } from "../protocol/endpoint.ts";
import type { Feature } from "../protocol/messages.ts";
import { isOn, type Settings } from "../protocol/settings.ts";

export interface Running {
  /** The person changed something, and the feature stays on. */
  readonly update: (settings: Settings) => void;
}

/**
 * Starts `start` whenever the feature is on for `site` and aborts its signal when it is switched
 * off, globally or for the site, or when `life` ends.
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

  function apply(settings: Settings): void {
    if (life.aborted) return;
    if (!isOn(settings, feature, options.site)) {
      running?.stop();
      running = null;
    } else if (running === null) {
      const off = new AbortController();
      const { update } = options.start(settings, AbortSignal.any([life, off.signal]));
      running = { update, stop: () => off.abort() };
    } else {
      running.update(settings);
    }
  }

  watchSettings(options.defaults, apply, life);
  apply(await loadSettings(options.defaults));
}
