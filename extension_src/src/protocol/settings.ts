/** What a person can change, stored in `storage.local` under one key and never sent anywhere. */

import type { Runtime } from "../generated/runtime.ts";
import type { Feature } from "./messages.ts";

export const SETTINGS_KEY = "settings";

export interface Settings {
  readonly format: 1;
  /** Everything is off until the person goes on; what is switched on stays as it is. */
  readonly paused: boolean;
  /** Global switches. */
  readonly enabled: { readonly [F in Feature]: boolean };
  /** Sites (location.hostname) where a feature is off. */
  readonly off: { readonly [F in Feature]: readonly string[] };
  /** Probability per label at and above which a text is veiled; 0..1. */
  readonly thresholds: { readonly [label: string]: number };
  readonly completion: {
    /** Probability that a suggestion must reach to be shown; 0..1. */
    readonly minConfidence: number;
    readonly maxWords: number;
  };
}

/** Settings of a person who never opened the options page. */
export function defaultSettings(runtime: Pick<Runtime, "models">): Settings {
  return {
    format: 1,
    paused: false,
    enabled: { moderation: true, completion: true },
    off: { moderation: [], completion: [] },
    thresholds: { ...(runtime.models.moderation?.thresholds ?? {}) },
    completion: {
      minConfidence: runtime.models.completion?.min_confidence ?? 1,
      maxWords: runtime.models.completion?.max_words ?? 0,
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function probability(value: unknown, fallback: number): number {
  return typeof value === "number" && value >= 0 && value <= 1 ? value : fallback;
}

function sites(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((site): site is string => typeof site === "string") : [];
}

/**
 * Settings from whatever storage holds. Unknown keys are dropped and unusable values replaced by
 * the defaults one by one, so that one bad value loses nothing else.
 */
export function readSettings(stored: unknown, defaults: Settings): Settings {
  if (!isRecord(stored) || stored["format"] !== 1) return defaults;
  const enabled = isRecord(stored["enabled"]) ? stored["enabled"] : {};
  const off = isRecord(stored["off"]) ? stored["off"] : {};
  const thresholds = isRecord(stored["thresholds"]) ? stored["thresholds"] : {};
  const completion = isRecord(stored["completion"]) ? stored["completion"] : {};
  const maxWords = completion["maxWords"];
  return {
    format: 1,
    paused: stored["paused"] === true,
    enabled: {
      moderation: enabled["moderation"] !== false,
      completion: enabled["completion"] !== false,
    },
    off: { moderation: sites(off["moderation"]), completion: sites(off["completion"]) },
    thresholds: Object.fromEntries(
      Object.entries(defaults.thresholds).map(([label, value]) => [
        label,
        probability(thresholds[label], value),
      ]),
    ),
    completion: {
      minConfidence: probability(completion["minConfidence"], defaults.completion.minConfidence),
      maxWords:
        typeof maxWords === "number" && Number.isInteger(maxWords) && maxWords >= 1 && maxWords <= 32
          ? maxWords
          : defaults.completion.maxWords,
    },
  };
}

/** Whether a feature runs on a site. */
export function isOn(settings: Settings, feature: Feature, site: string): boolean {
  return !settings.paused && settings.enabled[feature] && !settings.off[feature].includes(site);
}
