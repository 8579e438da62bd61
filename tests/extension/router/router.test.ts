import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LIMITS,
  type EngineStatus,
  type FromHost,
  type ToHost,
} from "../../../extension_src/src/protocol/messages.ts";
import { idleModels } from "../../../extension_src/src/router/idle_models.ts";
import { Router } from "../../../extension_src/src/router/router.ts";
import type { Role } from "../../../extension_src/src/router/sender.ts";
import { FakeClock } from "../support/clock.ts";
import { channel, settled, type FakePort } from "../support/ports.ts";
import { FakeWorker, READY } from "../support/workers.ts";

const MODELS = idleModels({ models: { moderation: null, completion: null } });
const UNUSED = { served: 0, waiting: 0, p50Ms: null, p95Ms: null };
const NOTHING: EngineStatus = {
  models: MODELS,
  lanes: { keystroke: UNUSED, visible: UNUSED, rest: UNUSED },
  workers: 0,
};
const SCORES = { scores: [[0.5]] };
const FLOW = { restTexts: 32 };

class Host {
  readonly workers: FakeWorker[] = [];
  readonly busy: boolean[] = [];
  readonly clock = new FakeClock();
  readonly router = new Router({
    spawn: () => {
      const worker = new FakeWorker();
      this.workers.push(worker);
      return worker;
    },
    size: 1,
    idleUnloadMs: 300_000,
    clock: this.clock,
    models: MODELS,
    onBusy: (busy) => this.busy.push(busy),
  });

  get worker(): FakeWorker {
    const worker = this.workers.at(-1);
    assert.ok(worker !== undefined, "no worker was started");
    return worker;
  }

  connect(role: Role): FakePort<FromHost, unknown> {
    const [page, host] = channel<FromHost, unknown>();
    this.router.accept(host, role);
    return page;
  }
}

const score = (id: number): ToHost => ({
  kind: "call",
  id,
  name: "moderation.score",
  req: { texts: ["a"], lane: "visible" },
});
const watch = (id: number): ToHost => ({ kind: "call", id, name: "engine.watch", req: {} });

async function sent(port: FakePort<FromHost, unknown>, ...messages: unknown[]): Promise<void> {
  for (const message of messages) port.post(message);
  await settled();
}

const codes = (port: FakePort<FromHost, unknown>): string[] =>
  port.received.map((message) => (message.kind === "error" ? message.error.code : message.kind));

test("no worker is started before a call needs one", async () => {
  const host = new Host();
  const ui = host.connect("ui");
  await sent(ui, watch(1));
  assert.equal(host.workers.length, 0);
  assert.deepEqual(ui.received, [{ kind: "answer", id: 1, res: NOTHING, flow: FLOW }]);
});

test("two clients may use the same id; each gets its own answer", async () => {
  const host = new Host();
  const [a, b] = [host.connect("page"), host.connect("page")];
  await sent(a, score(7));
  await sent(b, score(7));
  const [first, second] = host.worker.callIds;
  assert.ok(first !== undefined && second !== undefined && first !== second);
  host.worker.emit({ kind: "answer", id: second, res: SCORES });
  await settled();
  assert.deepEqual([a.received, b.received], [[], [{ kind: "answer", id: 7, res: SCORES, flow: FLOW }]]);
});

test("the worker is told which client a call is from", async () => {
  const host = new Host();
  const [a, b] = [host.connect("page"), host.connect("page")];
  await sent(a, score(1), score(2));
  await sent(b, score(1));
  const [one, two, three] = host.worker.received.map((message) => message !== "ping" && message.client);
  assert.equal(one, two);
  assert.notEqual(one, three);
});

const HOSTILE: readonly unknown[] = [
  { kind: "call", id: 3, name: "moderation.score", req: { texts: [], lane: "rest" } },
  { kind: "call", id: 3, name: "moderation.score", req: { texts: ["a"], lane: "keystroke" } },
  { kind: "call", id: 3, name: "storage.dump", req: {} },
  { kind: "status", id: 3 },
  watch(3),
];

for (const message of HOSTILE) {
  test(`a page is refused ${JSON.stringify(message)}`, async () => {
    const host = new Host();
    const page = host.connect("page");
    await sent(page, message);
    assert.deepEqual(codes(page), ["bad-request"]);
    assert.equal(host.workers.length, 0);
  });
}

test("a message without an id is dropped without an answer", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, null, "x", { kind: "call" }, score(1));
  assert.deepEqual(page.received, []);
  assert.equal(host.worker.callIds.length, 1);
});

test("an id that is in flight is refused, and free again after its answer", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1), score(1));
  assert.deepEqual(codes(page), ["bad-request"]);
  host.worker.emit({ kind: "answer", id: host.worker.callIds[0] ?? 0, res: SCORES });
  await sent(page, score(1));
  assert.equal(host.worker.callIds.length, 2);
});

test("calls beyond the limit are refused with too-many, on that port only", async () => {
  const host = new Host();
  const [eager, other] = [host.connect("page"), host.connect("page")];
  const ids = Array.from({ length: LIMITS.callsInFlight + 1 }, (_, id) => id);
  await sent(eager, ...ids.map(score));
  await sent(other, score(1));
  assert.deepEqual(codes(eager), ["too-many"]);
  assert.deepEqual(codes(other), []);
  host.worker.emit({ kind: "answer", id: host.worker.callIds[0] ?? 0, res: SCORES });
  await sent(eager, score(999));
  assert.deepEqual(codes(eager), ["too-many", "answer"]);
});

test("when too much waits in all, other pages are refused too, but no keystroke", async () => {
  const host = new Host();
  const rest = (id: number): ToHost => ({
    kind: "call",
    id,
    name: "moderation.score",
    req: { texts: Array<string>(64).fill("a"), lane: "rest" },
  });
  const pages = Array.from({ length: 20 }, () => host.connect("page"));
  for (const page of pages) await sent(page, rest(1));
  assert.deepEqual(codes(pages[15] ?? host.connect("page")), []);
  assert.deepEqual(codes(pages[16] ?? host.connect("page")), ["too-many"]);
  const writer = host.connect("page");
  const req = { field: "f", before: "b", after: "", minConfidence: 0, maxWords: 1 };
  await sent(writer, { kind: "call", id: 1, name: "completion.suggest", req });
  assert.deepEqual(codes(writer), []);
  for (const page of pages.slice(0, 2)) page.close();
  await settled();
  await sent(pages[16] ?? writer, rest(2));
  assert.deepEqual(codes(pages[16] ?? writer), ["too-many"]);
});

test("answers say how much a client may send next: less, the more pages have text waiting", async () => {
  const host = new Host();
  const rest = (id: number): ToHost => ({ ...score(id), req: { texts: ["a"], lane: "rest" } }) as ToHost;
  const pages = Array.from({ length: 32 }, () => host.connect("page"));
  for (const page of pages) await sent(page, rest(1), rest(2));
  host.worker.answer(host.worker.calls[0]);
  await settled();
  const [answer] = pages[0]?.received ?? [];
  assert.deepEqual(answer?.kind === "answer" && answer.flow, { restTexts: 8 });
});

test("a deadline reaches the worker", async () => {
  const host = new Host();
  await sent(host.connect("page"), { ...score(1), deadlineMs: 700 });
  assert.deepEqual(host.worker.calls.map(({ deadlineMs }) => deadlineMs), [700]);
});

test("a cancelled call is cancelled in the worker, and its late answer goes nowhere", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(5), { kind: "cancel", id: 5 });
  const [id] = host.worker.callIds;
  assert.deepEqual(host.worker.cancelled, [id]);
  host.worker.emit({ kind: "answer", id: id ?? 0, res: SCORES });
  await settled();
  assert.deepEqual(page.received, []);
});

test("a client cannot cancel the call of another", async () => {
  const host = new Host();
  const [a, b] = [host.connect("page"), host.connect("page")];
  await sent(a, score(1));
  await sent(b, { kind: "cancel", id: 1 });
  assert.deepEqual([host.worker.callIds.length, host.worker.cancelled.length], [1, 0]);
});

test("all calls of a port that went away are cancelled", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1), score(2));
  page.close();
  await settled();
  assert.deepEqual(host.worker.cancelled, host.worker.callIds);
  assert.deepEqual(host.busy, [true, false]);
});

const statusOf = (port: FakePort<FromHost, unknown>): EngineStatus | null => {
  const last = port.received.findLast(({ kind }) => kind === "status");
  return last?.kind === "status" ? last.status : null;
};

test("statuses go to those who watch, and are what later watchers get first", async () => {
  const host = new Host();
  const [watcher, page] = [host.connect("ui"), host.connect("page")];
  await sent(watcher, watch(1));
  await sent(page, score(1));
  host.worker.tell({ moderation: READY });
  const late = host.connect("ui");
  await sent(late, watch(1));
  const status = statusOf(watcher);
  assert.deepEqual([status?.models.moderation, status?.workers, status?.lanes.visible.waiting], [READY, 1, 1]);
  assert.deepEqual(late.received, [{ kind: "answer", id: 1, res: status, flow: FLOW }]);
  assert.deepEqual(page.received, []);
});

test("many answers make one status, a while later", async () => {
  const host = new Host();
  const [watcher, page] = [host.connect("ui"), host.connect("page")];
  await sent(watcher, watch(1));
  await sent(page, score(1), score(2), score(3));
  const before = watcher.received.length;
  for (const call of host.worker.calls) host.worker.answer(call);
  host.clock.advance(250);
  await settled();
  assert.equal(watcher.received.length, before + 1);
  assert.equal(statusOf(watcher)?.lanes.visible.served, 3);
});

test("watchers see that the engine was unloaded, and do not keep it", async () => {
  const host = new Host();
  const [watcher, page] = [host.connect("ui"), host.connect("page")];
  await sent(watcher, watch(1));
  await sent(page, score(1));
  host.worker.tell({ moderation: READY });
  host.worker.answer(host.worker.calls[0]);
  host.clock.advance(300_000);
  await settled();
  assert.equal(host.worker.isTerminated, true);
  assert.deepEqual([statusOf(watcher)?.workers, statusOf(watcher)?.models.moderation], [0, { phase: "unloaded" }]);
});

test("a crash sends what was in flight once more, to a fresh worker", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1), score(2));
  const [old] = host.workers;
  old?.emit({ kind: "answer", id: old.callIds[0] ?? 0, res: SCORES });
  old?.crash("out of memory");
  assert.equal(old?.isTerminated, true);
  assert.equal(host.workers.length, 2);
  assert.deepEqual(host.worker.callIds, [old?.callIds[1]]);
  host.worker.emit({ kind: "answer", id: host.worker.callIds[0] ?? 0, res: SCORES });
  await settled();
  assert.deepEqual(page.received.map((message) => "id" in message && message.id), [1, 2]);
});

test("calls in flight at a second crash fail, those that came between are sent again", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1));
  host.worker.crash("unreachable");
  await sent(page, score(2));
  host.worker.crash("unreachable");
  await settled();
  assert.deepEqual(page.received, [
    {
      kind: "error",
      id: 1,
      error: { code: "model-failed", message: "the worker was lost twice: unreachable" },
    },
  ]);
  assert.equal(host.workers.length, 3);
  assert.equal(host.worker.callIds.length, 1);
});

test("a crash with nothing in flight starts no worker, and watchers see it idle", async () => {
  const host = new Host();
  const [watcher, page] = [host.connect("ui"), host.connect("page")];
  await sent(watcher, watch(1));
  await sent(page, score(1));
  host.worker.tell({ moderation: READY });
  host.worker.emit({ kind: "answer", id: host.worker.callIds[0] ?? 0, res: SCORES });
  host.worker.crash("gone");
  await settled();
  assert.equal(host.workers.length, 1);
  assert.deepEqual([statusOf(watcher)?.models, statusOf(watcher)?.workers], [MODELS, 0]);
});

test("a crashed worker's last words are ignored", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1));
  const [old] = host.workers;
  old?.crash("x");
  old?.emit({ kind: "answer", id: old.callIds[0] ?? 0, res: SCORES });
  await settled();
  assert.deepEqual(page.received, []);
});

test("the host is busy from the first call to the last answer", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1), score(2));
  for (const id of host.worker.callIds) host.worker.emit({ kind: "answer", id, res: SCORES });
  assert.deepEqual(host.busy, [true, false]);
});

test("a page that goes away in the middle of news keeps them from nobody else", async () => {
  const host = new Host();
  const [leaving, staying] = [host.connect("ui"), host.connect("ui")];
  await sent(leaving, watch(1), score(2));
  await sent(staying, watch(1), score(2));
  leaving.close(); // of which the host has not heard yet
  host.worker.tell({ moderation: READY });
  host.worker.crash("out of memory");
  host.worker.crash("out of memory");
  await settled();
  assert.deepEqual(codes(staying).slice(-2).toSorted(), ["model-failed", "status"]);
  assert.deepEqual(host.busy, [true, false]);
});
