/** The engine's figures: one line per lane, and how many workers there are. */

import type { Translate } from "../../lib/labels.ts";
import { LANES, type EngineStatus } from "../../protocol/messages.ts";
import { make } from "../page.ts";

export function laneRows(
  body: HTMLElement,
  translate: Translate,
): (status: EngineStatus | null) => void {
  const none = translate("engine_none");
  const ms = (value: number | null | undefined): string =>
    value === null || value === undefined
      ? none
      : translate("engine_ms", value < 10 ? value.toFixed(1) : String(Math.round(value)));
  return (status) => {
    body.replaceChildren(
      ...LANES.map((lane) => {
        const stats = status?.lanes[lane];
        const head = make("th", "", translate(`lane_${lane}`));
        head.scope = "row";
        const cells = [
          String(stats?.served ?? none),
          String(stats?.waiting ?? none),
          ms(stats?.p50Ms),
          ms(stats?.p95Ms),
        ].map((text) => make("td", "", text));
        return make("tr", "", head, ...cells);
      }),
    );
  };
}

/** Says how many workers run; that there are none is what a person wants to see when nothing is done. */
export function workersLine(
  element: HTMLElement,
  translate: Translate,
): (status: EngineStatus | null) => void {
  return (status) => {
    element.textContent = status === null ? "" : workersText(status.workers, translate);
  };
}

export function workersText(workers: number, translate: Translate): string {
  if (workers === 0) return translate("engine_workers_none");
  return workers === 1
    ? translate("engine_workers_one")
    : translate("engine_workers_many", String(workers));
}
