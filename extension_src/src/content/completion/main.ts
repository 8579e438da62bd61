/** Completion in a page and in each of its frames: reads the settings, runs while it is on. */

import runtime from "#runtime";
import { inPrivateWindow, shadowRootOf, translate } from "../../host/page.ts";
import { runWhileOn } from "../../lib/feature.ts";
import { siteOf } from "../../lib/site.ts";
import { CallFailed, connect, onPageMessage } from "../../protocol/endpoint.ts";
import { defaultSettings } from "../../protocol/settings.ts";
import { PasswordMemory } from "./passwords.ts";
import { complete } from "./session.ts";

/** Ghost text that comes later than this after the last key is in the way more than it helps. */
const SUGGESTION_MS = 2000;

function run(): void {
  const life = new AbortController();
  const client = connect({ client: "completion", signal: life.signal });
  client.onOrphaned(() => life.abort());
  const site = siteOf(window);
  // Before anybody can press the eye, and also while the feature is off.
  const passwords = new PasswordMemory(life.signal);
  passwords.watch(document);

  // The popup asks one script per page; moderation answers where it is part of the package.
  if (runtime.models.moderation === null) {
    onPageMessage({ "page.describe": () => ({ site, veiled: 0, scanned: 0 }) }, life.signal);
  }
  void runWhileOn(
    "completion",
    {
      site,
      defaults: defaultSettings(runtime),
      start: (settings, signal) => {
        let { minConfidence, maxWords } = settings.completion;
        complete(
          {
            translate,
            passwords,
            shadowRoot: shadowRootOf,
            suggest: async (field, context, until) => {
              const request = { field, ...context, minConfidence, maxWords };
              const limits = { signal: until, deadlineMs: SUGGESTION_MS };
              try {
                return (await client.call("completion.suggest", request, limits)).text;
              } catch (error) {
                // An engine that is too slow has nothing to say, and is to be asked less often.
                if (error instanceof CallFailed && error.code === "late") return "";
                throw error;
              }
            },
            onEnter: () => {
              // Whether it loads is told by the first suggestion, and by the popup.
              client.call("engine.warm", { feature: "completion" }, { signal }).catch(() => undefined);
            },
          },
          signal,
        );
        return {
          update: (changed) => {
            ({ minConfidence, maxWords } = changed.completion);
          },
        };
      },
    },
    life.signal,
  );
}

// What is written in a private window is nobody's business, not even for a moment.
if (runtime.models.completion !== null && !inPrivateWindow()) run();
