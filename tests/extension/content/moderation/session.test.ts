import assert from "node:assert/strict";
import { test } from "node:test";

import { moderate } from "../../../../extension_src/src/content/moderation/session.ts";
import { el } from "../../support/dom.ts";
import { openPage } from "./fake_browser.ts";

/** Lets everything that is ready happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("new thresholds judge what is there now, and thresholds that are the same do nothing", async () => {
  const [changed, removed] = [el("p", {}, "as it was"), el("p", {}, "soon removed")];
  const bench = openPage(changed, removed);
  const asked: string[] = [];
  const session = moderate(
    {
      page: bench.page,
      labels: ["toxic"],
      thresholds: { toxic: 0.5 },
      translate: (key) => key,
      direction: "ltr",
      score: async (texts) => (asked.push(...texts), texts.map(() => [0.1])),
      codeOf: () => null,
      restTexts: () => 32,
      onCount: () => undefined,
    },
    new AbortController().signal,
  );
  bench.settle();
  await settled();
  assert.deepEqual(asked.splice(0), ["as it was", "soon removed"]);

  for (const { childNodes } of [changed, removed]) {
    Object.assign(childNodes[0] ?? {}, { nodeValue: "as it is" });
  }
  Object.assign(removed, { isConnected: false });
  session.setThresholds({ toxic: 0.5 });
  await settled();
  assert.deepEqual(asked, []);
  assert.equal(session.describe().scanned, 2);

  session.setThresholds({ toxic: 0.2 });
  await settled();
  assert.deepEqual(asked, ["as it is"]);
  assert.equal(session.describe().scanned, 3);
});
