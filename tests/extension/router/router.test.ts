import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LIMITS,
  type EngineStatus,
  type FromHost,
  type ToHost,
} from "../../../extension_src/src/protocol/messages.ts";
import type { FromWorker, ToWorker } from "../../../extension_src/src/protocol/worker_port.ts";
import { idleStatus } from "../../../extension_src/src/router/idle_status.ts";
import { Router, type WorkerLink } from "../../../extension_src/src/router/router.ts";
import type { Role } from "../../../extension_src/src/router/sender.ts";
import { channel, settled, type FakePort } from "../support/ports.ts";

const IDLE = idleStatus({
  format: 1,
  name: "Test",
  version: "0.0.0",
  models: { moderation: null, completion: null },
});
const READY: EngineStatus = {
  ...IDLE,
  models: { ...IDLE.models, moderation: { phase: "ready", backend: "fake", loadMs: 1 } },
};
const SCORES = { scores: [[0.5]] };

class FakeWorker implements WorkerLink {
  readonly received: ToWorker[] = [];
  isTerminated = false;
  emit: (message: FromWorker) => void = () => undefined;
  crash: (reason: string) => void = () => undefined;

  post(message: ToWorker): void {
    this.received.push(message);
  }
  onMessage(listener: (message: FromWorker) => void): void {
    this.emit = listener;
  }
  onCrash(listener: (reason: string) => void): void {
    this.crash = listener;
  }
  terminate(): void {
    this.isTerminated = true;
  }

  /** Our ids of the calls that this worker was given. */
  get callIds(): number[] {
    return this.received.filter(({ message }) => message.kind === "call").map(({ message }) => message.id);
  }
}

class Host {
  readonly workers: FakeWorker[] = [];
  readonly busy: boolean[] = [];
  readonly router = new Router({
    spawn: () => {
      const worker = new FakeWorker();
      this.workers.push(worker);
      return worker;
    },
    idleStatus: IDLE,
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
  assert.deepEqual(ui.received, [{ kind: "answer", id: 1, res: IDLE }]);
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
  assert.deepEqual([a.received, b.received], [[], [{ kind: "answer", id: 7, res: SCORES }]]);
});

test("the worker is told which client a call is from", async () => {
  const host = new Host();
  const [a, b] = [host.connect("page"), host.connect("page")];
  await sent(a, score(1), score(2));
  await sent(b, score(1));
  const [one, two, three] = host.worker.received.map(({ client }) => client);
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

test("a cancelled call is cancelled in the worker, and its late answer goes nowhere", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(5), { kind: "cancel", id: 5 });
  const [id] = host.worker.callIds;
  assert.deepEqual(host.worker.received.at(-1)?.message, { kind: "cancel", id });
  host.worker.emit({ kind: "answer", id: id ?? 0, res: SCORES });
  await settled();
  assert.deepEqual(page.received, []);
});

test("a client cannot cancel the call of another", async () => {
  const host = new Host();
  const [a, b] = [host.connect("page"), host.connect("page")];
  await sent(a, score(1));
  await sent(b, { kind: "cancel", id: 1 });
  assert.deepEqual(host.worker.received.map(({ message }) => message.kind), ["call"]);
});

test("all calls of a port that went away are cancelled", async () => {
  const host = new Host();
  const page = host.connect("page");
  await sent(page, score(1), score(2));
  page.close();
  await settled();
  const kinds = host.worker.received.map(({ message }) => message.kind);
  assert.deepEqual(kinds, ["call", "call", "cancel", "cancel"]);
  assert.deepEqual(host.busy, [true, false]);
});

test("statuses go to those who watch, and are what later watchers get first", async () => {
  const host = new Host();
  const [watcher, page] = [host.connect("ui"), host.connect("page")];
  await sent(watcher, watch(1));
  await sent(page, score(1));
  host.worker.emit({ kind: "status", status: READY });
  const late = host.connect("ui");
  await sent(late, watch(1));
  assert.deepEqual(watcher.received.at(-1), { kind: "status", status: READY });
  assert.deepEqual(page.received, []);
  assert.deepEqual(late.received, [{ kind: "answer", id: 1, res: READY }]);
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
      error: { code: "model-failed", message: "the worker crashed twice: unreachable" },
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
  host.worker.emit({ kind: "status", status: READY });
  host.worker.emit({ kind: "answer", id: host.worker.callIds[0] ?? 0, res: SCORES });
  host.worker.crash("gone");
  await settled();
  assert.equal(host.workers.length, 1);
  assert.deepEqual(watcher.received.at(-1), { kind: "status", status: IDLE });
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
