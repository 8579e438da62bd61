/** A line per model: its name, the state it is in, a bar while it loads. */

import type { Translate } from "../lib/labels.ts";
import { FEATURES, type EngineStatus, type Feature } from "../protocol/messages.ts";
import { viewOf } from "./model-state.ts";
import { make } from "./page.ts";

/** Puts the rows of the features in `shown` into `list`; call the result with each status. */
export function modelRows(
  list: HTMLElement,
  shown: readonly Feature[],
  translate: Translate,
): (status: EngineStatus | null) => void {
  const rows = FEATURES.filter((feature) => shown.includes(feature)).map((feature) => {
    const name = make("span", "", translate(`model_${feature}`));
    const state = make("span", "state");
    const bar = make("progress", "");
    bar.max = 1;
    bar.setAttribute("aria-label", translate(`model_${feature}`));
    const row = make("div", "model", name, state, bar);
    return { feature, row, state, bar };
  });
  list.replaceChildren(...rows.map(({ row }) => row));
  return (status) => {
    for (const { feature, row, state, bar } of rows) {
      const view = viewOf(status?.models[feature] ?? null, translate);
      row.dataset["tone"] = view.tone;
      row.title = view.detail;
      // The live region reads a text out when it changes: bytes are for the eyes.
      if (state.textContent !== view.text) state.textContent = view.text;
      state.ariaHidden = view.progress === null ? null : "true";
      bar.hidden = view.progress === null;
      bar.value = view.progress ?? 0;
    }
  };
}
