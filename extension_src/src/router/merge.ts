/** The states of models in several workers as one. Pure. */

import { FEATURES, type Feature, type ModelState, type ModelStates } from "../protocol/messages.ts";

type Ready = Extract<ModelState, { readonly phase: "ready" }>;

/** Whoever has a model decides what is said of it; what comes later here says more. */
const PHASES = ["absent", "idle", "unloaded", "failed", "loading", "ready"] as const;

/** `workers` as they were started; `resting` is said of what none of them has touched. */
export function mergeModels(workers: readonly ModelStates[], resting: ModelStates): ModelStates {
  const of = (feature: Feature): ModelState =>
    merge(
      workers.map((models) => models[feature]),
      resting[feature],
    );
  return { moderation: of("moderation"), completion: of("completion") };
}

function merge(states: readonly ModelState[], resting: ModelState): ModelState {
  const ready = states.filter((state): state is Ready => state.phase === "ready");
  const [first] = ready;
  if (first !== undefined) return { ...first, memoryBytes: total(ready) };
  const rank = ({ phase }: ModelState): number => PHASES.indexOf(phase);
  return states.reduce((most, state) => (rank(state) > rank(most) ? state : most), resting);
}

function total(ready: readonly Ready[]): number | null {
  let bytes = 0;
  for (const { memoryBytes } of ready) {
    if (memoryBytes === null) return null;
    bytes += memoryBytes;
  }
  return bytes;
}

/** What is said of models after the workers that had them were ended to save memory. */
export function unloaded(models: ModelStates, resting: ModelStates): ModelStates {
  const after = { ...resting };
  for (const feature of FEATURES) {
    if (models[feature].phase === "ready") after[feature] = { phase: "unloaded" };
  }
  return after;
}
