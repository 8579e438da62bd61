import type { Runtime } from "../generated/runtime.ts";
import type { Feature, ModelState, ModelStates } from "../protocol/messages.ts";

/** The models of a package before anything was asked of them. */
export function idleModels(runtime: Pick<Runtime, "models">): ModelStates {
  const state = (feature: Feature): ModelState =>
    runtime.models[feature] === null ? { phase: "absent" } : { phase: "idle" };
  return { moderation: state("moderation"), completion: state("completion") };
}
