/** How a model's state is told to people. Pure; model-row.ts draws it. */

import type { Translate } from "../lib/labels.ts";
import type { DemotedBackend, ModelState } from "../protocol/messages.ts";

export interface ModelView {
  readonly text: string;
  /** A sentence that a person should know besides; empty for nothing. */
  readonly note: string;
  /** More about it, for whoever looks closer: name and value, in order. */
  readonly details: readonly (readonly [string, string])[];
  readonly tone: "calm" | "busy" | "good" | "bad";
  /** Loaded share, 0..1; null when it is not loading. */
  readonly progress: number | null;
}

type Ready = Extract<ModelState, { readonly phase: "ready" }>;

/** `state` is null as long as the engine has not answered. */
export function viewOf(state: ModelState | null, translate: Translate): ModelView {
  const calm = { note: "", details: [], tone: "calm", progress: null } as const;
  switch (state?.phase) {
    case undefined:
      return { ...calm, text: translate("model_unknown") };
    case "absent":
      return { ...calm, text: translate("model_absent") };
    case "idle":
      return { ...calm, text: translate("model_idle") };
    case "unloaded":
      return { ...calm, text: translate("model_unloaded") };
    case "loading":
      return {
        ...calm,
        text: translate("model_loading", megabytes(state.loadedBytes), megabytes(state.totalBytes)),
        tone: "busy",
        progress: state.totalBytes > 0 ? Math.min(1, state.loadedBytes / state.totalBytes) : 0,
      };
    case "ready":
      return {
        text: translate("model_ready"),
        note: state.demoted.map((one) => demotion(one, translate)).join(" "),
        details: detailsOf(state, translate),
        tone: "good",
        progress: null,
      };
    case "failed":
      return { ...calm, text: translate("model_failed", state.reason), tone: "bad" };
  }
}

/** Why a backend is not used, in plain words. */
function demotion({ backend, cause }: DemotedBackend, translate: Translate): string {
  return translate(`model_demoted_${cause}`, backendName(backend, translate));
}

/** A backend in words, or its own id where we have none. */
function backendName(backend: string, translate: Translate): string {
  const key = `backend_${backend.replaceAll("-", "_")}`;
  const name = translate(key);
  return name === key ? backend : name;
}

function detailsOf(state: Ready, translate: Translate): ModelView["details"] {
  const memory = state.memoryBytes;
  return [
    [translate("model_backend"), state.backend],
    [translate("model_load_time"), translate("engine_ms", String(Math.round(state.loadMs)))],
    [
      translate("model_memory"),
      memory === null ? translate("model_memory_unknown") : translate("model_megabytes", megabytes(memory)),
    ],
    ...state.demoted.map(
      ({ backend, reason }) => [translate("model_not_used", backend), reason] as const,
    ),
  ];
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
