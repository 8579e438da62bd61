import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CallFailed,
  createClient,
  REOPEN_WAITS_MS,
  SENDS_PER_CALL,
  type Client,
} from "../../../extension_src/src/protocol/client.ts";
import type { EngineStatus, FromHost, ToHost } from "../../../extension_src/src/protocol/messages.ts";
import { channel, settled, type FakePort } from "../support/ports.ts";

type HostEnd = FakePort<ToHost, FromHost>;

const STATUS: EngineStatus = {
  models: { moderation: { phase: "idle" }, completion: { phase: "absent" } },
  lanes: {
    keystroke: { served: 0, waiting: 0, p50Ms: null, p95Ms: null },
    visible: { served: 0, waiting: 0, p50Ms: null, p95Ms: null },
    rest: { served: 0, waiting: 0, p50Ms: null, p95Ms: null },
  },
  workers: 0,
};
const FLOW = { restTexts: 7 };
const SCORES = { scores: [[0.5]] };

/** A browser in which everything about the host can be made to fail. */
class FakeBrowser {
  readonly hosts: HostEnd[] = [];
  readonly waits: number[] = [];
  isDown = false;
  isOrphaned = false;
  nowMs = 0;
  readonly life = new AbortController();
  readonly client: Client;

  constructor() {
    this.client = createClient(
      {
        open: async () => {
          if (this.isDown) throw new Error("Could not establish connection");
          const [page, host] = channel<FromHost, ToHost>();
          this.hosts.push(host);
          return page;
        },
        isOrphaned: () => this.isOrphaned,
        wait: async (ms) => {
          this.waits.push(ms);
        },
        now: () => this.nowMs,
      },
      this.life.signal,
    );
  }

  get host(): HostEnd {
    const host = this.hosts.at(-1);
    assert.ok(host !== undefined, "no port was opened");
    return host;
  }

  /** Asks for the score of one text; the promise's failure is kept as its code. */
  ask(signal?: AbortSignal): Promise<unknown> {
    return this.client
      .call("moderation.score", { texts: ["a"], lane: "rest" }, { signal })
      .catch((error: unknown) => (error instanceof CallFailed ? error.code : error));
  }

  answerAll(): void {
    for (const message of this.host.received) {
      if (message.kind === "call") this.host.post({ kind: "answer", id: message.id, res: SCORES, flow: FLOW });
    }
  }
}

const names = (host: HostEnd): string[] =>
  host.received.map((message) => (message.kind === "call" ? message.name : message.kind));

test("no port is opened before the first call", async () => {
  const browser = new FakeBrowser();
  await settled();
  assert.equal(browser.hosts.length, 0);
});

test("calls made while the port opens are all sent over the one port, in order", async () => {
  const browser = new FakeBrowser();
  const answers = [browser.ask(), browser.ask(), browser.ask()];
  await settled();
  assert.equal(browser.hosts.length, 1);
  assert.deepEqual(browser.host.received.map((message) => message.id), [1, 2, 3]);
  browser.answerAll();
  assert.deepEqual(await Promise.all(answers), [SCORES, SCORES, SCORES]);
});

test("an error from the host rejects with its code and its message", async () => {
  const browser = new FakeBrowser();
  const call = browser.client.call("moderation.score", { texts: ["a"], lane: "rest" });
  await settled();
  const error = { code: "too-many", message: "slow down" } as const;
  browser.host.post({ kind: "error", id: 1, error });
  await assert.rejects(call, { name: "CallFailed", code: "too-many", message: "slow down" });
});

test("unanswered calls are sent again over a new port when the host went away", async () => {
  const browser = new FakeBrowser();
  const first = browser.ask();
  const second = browser.ask();
  await settled();
  browser.host.post({ kind: "answer", id: 1, res: SCORES, flow: FLOW });
  await settled();
  browser.host.close();
  await settled();
  assert.equal(browser.hosts.length, 2);
  assert.deepEqual(browser.host.received.map((message) => message.id), [2]);
  browser.answerAll();
  assert.deepEqual(await Promise.all([first, second]), [SCORES, SCORES]);
});

test("a port that is lost with nothing unanswered stays closed until the next call", async () => {
  const browser = new FakeBrowser();
  const first = browser.ask();
  await settled();
  browser.answerAll();
  await first;
  browser.host.close();
  await settled();
  assert.equal(browser.hosts.length, 1);
  void browser.ask();
  await settled();
  assert.equal(browser.hosts.length, 2);
});

test("a call that outlives too many hosts is given up as disconnected", async () => {
  const browser = new FakeBrowser();
  const call = browser.ask();
  for (let sends = 0; sends < SENDS_PER_CALL; sends += 1) {
    await settled();
    browser.host.close();
  }
  assert.equal(await call, "disconnected");
  assert.equal(browser.hosts.length, SENDS_PER_CALL);
});

test("a host that cannot be reached is tried with growing waits, then given up", async () => {
  const browser = new FakeBrowser();
  browser.isDown = true;
  assert.equal(await browser.ask(), "disconnected");
  assert.deepEqual(browser.waits, REOPEN_WAITS_MS);
});

test("after a host was given up the next call tries again", async () => {
  const browser = new FakeBrowser();
  browser.isDown = true;
  await browser.ask();
  browser.isDown = false;
  const call = browser.ask();
  await settled();
  browser.answerAll();
  assert.deepEqual(await call, SCORES);
});

test("aborting a call rejects it at once and tells the host", async () => {
  const browser = new FakeBrowser();
  const abort = new AbortController();
  const call = browser.ask(abort.signal);
  await settled();
  abort.abort();
  assert.equal(await call, "cancelled");
  await settled();
  assert.deepEqual(names(browser.host), ["moderation.score", "cancel"]);
});

test("a call that is aborted before the port is open is never sent", async () => {
  const browser = new FakeBrowser();
  const abort = new AbortController();
  const call = browser.ask(abort.signal);
  abort.abort();
  assert.equal(await call, "cancelled");
  await settled();
  assert.deepEqual(names(browser.host), []);
});

test("a call with an aborted signal is refused without a port", async () => {
  const browser = new FakeBrowser();
  assert.equal(await browser.ask(AbortSignal.abort()), "cancelled");
  assert.equal(browser.hosts.length, 0);
});

test("an answer after the abort is ignored", async () => {
  const browser = new FakeBrowser();
  const abort = new AbortController();
  const call = browser.ask(abort.signal);
  await settled();
  abort.abort();
  browser.answerAll();
  await settled();
  assert.equal(await call, "cancelled");
});

test("status listeners get the present status and every later one", async () => {
  const browser = new FakeBrowser();
  const seen: EngineStatus[] = [];
  browser.client.onStatus((status) => seen.push(status));
  await settled();
  assert.deepEqual(names(browser.host), ["engine.watch"]);
  browser.host.post({ kind: "answer", id: 1, res: STATUS, flow: FLOW });
  browser.host.post({ kind: "status", status: STATUS });
  await settled();
  assert.deepEqual(seen, [STATUS, STATUS]);
});

test("watching goes on over a new port when the host went away", async () => {
  const browser = new FakeBrowser();
  browser.client.onStatus(() => undefined);
  await settled();
  browser.host.post({ kind: "answer", id: 1, res: STATUS, flow: FLOW });
  await settled();
  browser.host.close();
  await settled();
  assert.equal(browser.hosts.length, 2);
  assert.deepEqual(names(browser.host), ["engine.watch"]);
});

test("a status listener hears nothing after its signal", async () => {
  const browser = new FakeBrowser();
  const seen: EngineStatus[] = [];
  const until = new AbortController();
  browser.client.onStatus((status) => seen.push(status), until.signal);
  await settled();
  until.abort();
  browser.host.post({ kind: "status", status: STATUS });
  await settled();
  assert.deepEqual(seen, []);
});

test("an orphaned script is told once, and its calls are disconnected", async () => {
  const browser = new FakeBrowser();
  let told = 0;
  browser.client.onOrphaned(() => (told += 1));
  const call = browser.ask();
  await settled();
  browser.isOrphaned = true;
  browser.host.close();
  assert.equal(await call, "disconnected");
  assert.equal(await browser.ask(), "disconnected");
  assert.equal(told, 1);
  assert.equal(browser.hosts.length, 1);
});

test("a script that finds itself orphaned a moment after its port was lost is told too", async () => {
  const browser = new FakeBrowser();
  let told = 0;
  browser.client.onOrphaned(() => (told += 1));
  const call = browser.ask();
  await settled();
  browser.answerAll();
  await call;
  browser.host.close();
  queueMicrotask(() => (browser.isOrphaned = true));
  await settled();
  assert.equal(told, 1);
});

test("a listener that asks after the fact is told at once that the script is orphaned", async () => {
  const browser = new FakeBrowser();
  browser.isOrphaned = true;
  let told = 0;
  browser.client.onOrphaned(() => (told += 1));
  assert.equal(told, 1);
});

test("closing the client rejects what is open and closes the port", async () => {
  const browser = new FakeBrowser();
  const call = browser.ask();
  await settled();
  browser.life.abort();
  assert.equal(await call, "cancelled");
  assert.equal(browser.host.isOpen, false);
  assert.equal(await browser.ask(), "cancelled");
});

test("what the host takes is what it said last", async () => {
  const browser = new FakeBrowser();
  assert.equal(browser.client.flow.restTexts, 16);
  const answer = browser.ask();
  await settled();
  browser.answerAll();
  await answer;
  assert.deepEqual(browser.client.flow, FLOW);
});

test("a call that is sent again has what is left of its time, and none when that is over", async () => {
  const browser = new FakeBrowser();
  const suggest = (deadlineMs: number): Promise<unknown> =>
    browser.client
      .call("moderation.score", { texts: ["a"], lane: "rest" }, { deadlineMs })
      .catch((error: unknown) => (error instanceof CallFailed ? error.code : error));
  const [patient, hasty] = [suggest(2000), suggest(500)];
  await settled();
  const times = (): readonly unknown[] =>
    browser.host.received.map((message) => message.kind === "call" && message.deadlineMs);
  assert.deepEqual(times(), [2000, 500]);
  browser.nowMs = 600;
  browser.host.close();
  await settled();
  assert.deepEqual(times(), [1400]);
  assert.equal(await hasty, "late");
  browser.answerAll();
  assert.deepEqual(await patient, SCORES);
});
