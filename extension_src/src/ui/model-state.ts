/** How a model's state is told to people. Pure; model-row.ts draws it. */

import type { Translate } from "../lib/labels.ts";
import type { ModelState } from "../protocol/messages.ts";

export interface ModelView {
  readonly text: string;
  /** More about it, for whoever points at it; empty for nothing. */
  readonly detail: string;
  readonly tone: "calm" | "busy" | "good" | "bad";
  /** Loaded share, 0..1; null when it is not loading. */
  readonly progress: number | null;
}

/** `state` is null as long as the engine has not answered. */
export function viewOf(state: ModelState | null, translate: Translate): ModelView {
  const calm = { detail: "", tone: "calm", progress: null } as const;
  switch (state?.phase) {
    case undefined:
      return { ...calm, text: translate("model_unknown") };
    case "absent":
      return { ...calm, text: translate("model_absent") };
    case "idle":
      return { ...calm, text: translate("model_idle") };
    case "loading":
      return {
        text: translate("model_loading", megabytes(state.loadedBytes), megabytes(state.totalBytes)),
        detail: "",
        tone: "busy",
        progress: state.totalBytes > 0 ? Math.min(1, state.loadedBytes / state.totalBytes) : 0,
      };
    case "ready":
      return {
        text: translate("model_ready"),
        detail: translate("model_ready_detail", state.backend, String(Math.round(state.loadMs))),
        tone: "good",
        progress: null,
      };
    case "failed":
      return { ...calm, text: translate("model_failed", state.reason), tone: "bad" };
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
