/** Moderation in a page and in each of its frames: reads the settings, runs while it is on. */

import runtime from "#runtime";
import { shadowRootOf, translate } from "../../host/page.ts";
import { runWhileOn } from "../../lib/feature.ts";
import { isOverlayHost } from "../../lib/overlay.ts";
import { siteOf } from "../../lib/site.ts";
import { CallFailed, connect, onPageMessage, sendToBackground } from "../../protocol/endpoint.ts";
import { defaultSettings } from "../../protocol/settings.ts";
import type { Page } from "./blocks.ts";
import { moderate, type Session } from "./session.ts";

const page: Page = {
  display: (element) => getComputedStyle(element).display,
  shadowRoot: shadowRootOf,
  isOurs: isOverlayHost,
};

function run(labels: readonly string[]): void {
  const life = new AbortController();
  const client = connect({ client: "moderation", signal: life.signal });
  client.onOrphaned(() => life.abort());
  const site = siteOf(window);
  let session: Session | null = null;

  onPageMessage(
    {
      "page.describe": () => ({ site, ...(session?.describe() ?? { veiled: 0, scanned: 0 }) }),
    },
    life.signal,
  );
  function showCount(veiled: number): void {
    // A number on a button: not worth more than one try.
    sendToBackground("badge.set", { veiled, page: performance.timeOrigin }).catch(() => undefined);
  }
  // What was counted for the tab's last page is none of this one's.
  if (window.top === window) showCount(0);

  void runWhileOn(
    "moderation",
    {
      site,
      defaults: defaultSettings(runtime),
      start: (settings, signal) => {
        const started = moderate(
          {
            page,
            labels,
            thresholds: settings.thresholds,
            translate,
            direction: translate("@@bidi_dir") === "rtl" ? "rtl" : "ltr",
            score: async (texts, lane, until) =>
              (await client.call("moderation.score", { texts, lane }, { signal: until })).scores,
            restTexts: () => client.flow.restTexts,
            codeOf: (error) => (error instanceof CallFailed ? error.code : null),
            onCount: showCount,
          },
          signal,
        );
        session = started;
        signal.addEventListener("abort", () => {
          session = null;
        });
        return { update: ({ thresholds }) => started.setThresholds(thresholds) };
      },
    },
    life.signal,
  );
}

if (runtime.models.moderation !== null) run(runtime.models.moderation.labels);
