/** Changes of settings as pure functions, and the one place that stores them. */

import { loadSettings, saveSettings } from "../protocol/endpoint.ts";
import { FEATURES, type Feature } from "../protocol/messages.ts";
import type { Settings } from "../protocol/settings.ts";

/** Stores `change` applied to what is stored now, as another page of ours may have changed it. */
export async function changeSettings(
  defaults: Settings,
  change: (settings: Settings) => Settings,
): Promise<Settings> {
  const changed = change(await loadSettings(defaults));
  await saveSettings(changed);
  return changed;
}

export function withEverywhere(settings: Settings, feature: Feature, isOn: boolean): Settings {
  return { ...settings, enabled: { ...settings.enabled, [feature]: isOn } };
}

export function withSite(
  settings: Settings,
  feature: Feature,
  site: string,
  isOn: boolean,
): Settings {
  const others = settings.off[feature].filter((other) => other !== site);
  const sites = isOn ? others : [...others, site].sort();
  return { ...settings, off: { ...settings.off, [feature]: sites } };
}

export function withPause(settings: Settings, paused: boolean): Settings {
  return { ...settings, paused };
}

/** Sites with something off, in order, and what is off there. */
export function sitesOff(
  settings: Settings,
): readonly { readonly site: string; readonly features: readonly Feature[] }[] {
  const sites = new Set(FEATURES.flatMap((feature) => settings.off[feature]));
  return [...sites].sort().map((site) => ({
    site,
    features: FEATURES.filter((feature) => settings.off[feature].includes(site)),
  }));
}
