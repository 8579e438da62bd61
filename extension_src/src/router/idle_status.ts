import type { Runtime } from "../generated/runtime.ts";
import type { EngineStatus, Feature, LaneStats, ModelState } from "../protocol/messages.ts";

const UNUSED: LaneStats = { served: 0, waiting: 0, p50Ms: null, p95Ms: null };

/** The status of a package whose worker has not been started: nothing is loaded or served. */
export function idleStatus(runtime: Runtime): EngineStatus {
  const state = (feature: Feature): ModelState =>
    runtime.models[feature] === null ? { phase: "absent" } : { phase: "idle" };
  return {
    models: { moderation: state("moderation"), completion: state("completion") },
    lanes: { keystroke: UNUSED, visible: UNUSED, rest: UNUSED },
  };
}
