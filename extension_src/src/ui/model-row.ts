/** A line per model: its name, the state it is in, a bar while it loads, and what else to know. */

import type { Translate } from "../lib/labels.ts";
import { FEATURES, type EngineStatus, type Feature } from "../protocol/messages.ts";
import { viewOf, type ModelView } from "./model-state.ts";
import { make } from "./page.ts";

export interface RowOptions {
  readonly shown: readonly Feature[];
  readonly translate: Translate;
  /** Whether backend, times and memory are shown below each model. */
  readonly hasDetails: boolean;
}

/** Puts the rows of the features in `shown` into `list`; call the result with each status. */
export function modelRows(
  list: HTMLElement,
  { shown, translate, hasDetails }: RowOptions,
): (status: EngineStatus | null) => void {
  const rows = FEATURES.filter((feature) => shown.includes(feature)).map((feature) => {
    const name = make("span", "", translate(`model_${feature}`));
    const state = make("span", "state");
    const bar = make("progress", "");
    bar.max = 1;
    bar.setAttribute("aria-label", translate(`model_${feature}`));
    const note = make("p", "soft");
    const details = make("dl", "details");
    const row = make("div", "model", name, state, bar, note, details);
    return { feature, row, state, bar, note, details };
  });
  list.replaceChildren(...rows.map(({ row }) => row));
  return (status) => {
    for (const { feature, row, state, bar, note, details } of rows) {
      const view = viewOf(status?.models[feature] ?? null, translate);
      row.dataset["tone"] = view.tone;
      // The live region reads a text out when it changes: bytes are for the eyes.
      say(state, view.text);
      state.ariaHidden = view.progress === null ? null : "true";
      bar.hidden = view.progress === null;
      bar.value = view.progress ?? 0;
      say(note, view.note);
      note.hidden = view.note === "";
      details.hidden = !hasDetails || view.details.length === 0;
      if (hasDetails) showDetails(details, view.details);
    }
  };
}

function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Anew only when something changed, for the live region's sake. */
function showDetails(list: HTMLElement, details: ModelView["details"]): void {
  const key = JSON.stringify(details);
  if (list.dataset["shown"] === key) return;
  list.dataset["shown"] = key;
  list.replaceChildren(
    ...details.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))),
  );
}
