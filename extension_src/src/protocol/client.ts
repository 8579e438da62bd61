/**
 * The calling side of the protocol over ports that may be lost at any time.
 *
 *             call                    open() ok
 *   ┌─ down ────────▶ opening ──────────────────▶ up ──┐
 *   │   ▲               │  ▲                           │
 *   │   │ all calls     │  │ open() failed:            │ port closed: replay what is
 *   │   │ rejected      ▼  │ wait, try again           │ unanswered, if anything is
 *   │   └──────────── 4 failures ◀─────────────────────┘
 *   │
 *   └── signal aborted, or the extension was replaced under us ──▶ over
 *
 * A port is lost when the browser suspends the host (Firefox: after 30 s of silence), when the host
 * crashes, and for good when the extension is updated or removed (`orphaned`).
 */

import type { Port } from "./port.ts";
import type {
  CallError,
  CallName,
  Calls,
  EngineStatus,
  ErrorCode,
  Flow,
  FromHost,
  ToHost,
} from "./messages.ts";

/** A call that was not answered. Branch on `code`; `message` is for people. */
export class CallFailed extends Error implements CallError {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = "CallFailed";
    this.code = code;
  }
}

export interface CallOptions {
  /** Aborting rejects the call with `cancelled` and tells the host to stop working on it. */
  readonly signal?: AbortSignal | undefined;
  /**
   * For how long the answer is wanted, ms: later the call is rejected with `late`. Neither the time
   * that a model takes to load nor that of a batch which runs already is held to it.
   */
  readonly deadlineMs?: number | undefined;
}

export interface Client {
  /** Rejects with `CallFailed` and nothing else. */
  call<N extends CallName>(
    name: N,
    req: Calls[N]["req"],
    options?: CallOptions,
  ): Promise<Calls[N]["res"]>;
  /** What the host said last of how much it takes. */
  readonly flow: Flow;
  /** The present status, soon, and every later one until `signal` aborts. */
  onStatus(listener: (status: EngineStatus) => void, signal?: AbortSignal): void;
  /**
   * Called once when this script outlived its extension (update, reload, removal): nothing works
   * any more, so take down all UI and listeners. Called at once when that is so already.
   */
  onOrphaned(listener: () => void): void;
}

/** What a client needs from the browser. */
export interface Link {
  /** Makes sure that the host is up and opens a port to it. */
  readonly open: () => Promise<Port<FromHost, ToHost>>;
  /** Whether the extension of this script is gone for good. */
  readonly isOrphaned: () => boolean;
  readonly wait: (ms: number) => Promise<void>;
  /** Milliseconds from some moment; never goes backwards. */
  readonly now: () => number;
}

/** Waits between tries to open a port; one more try than waits. */
export const REOPEN_WAITS_MS: readonly number[] = [50, 250, 1000];
/** How often one call is sent before it is given up: the call itself may be what kills the host. */
export const SENDS_PER_CALL = 3;
/** Browsers tell of a lost port a moment before `runtime.id` vanishes: look a second time then. */
const ORPHAN_RECHECK_MS = 500;
/** What a client may send before it has heard of the host. */
const FIRST_FLOW: Flow = { restTexts: 16 };

interface Pending {
  readonly message: Extract<ToHost, { kind: "call" }>;
  readonly resolve: (res: Calls[CallName]["res"]) => void;
  readonly reject: (error: CallFailed) => void;
  readonly madeMs: number;
  sends: number;
}

export function createClient(link: Link, signal: AbortSignal): Client {
  const pending = new Map<number, Pending>();
  const statusListeners = new Set<(status: EngineStatus) => void>();
  const orphanListeners = new Set<() => void>();
  let port: Port<FromHost, ToHost> | null = null;
  let opening = false;
  let over: CallFailed | null = null;
  let orphaned = false;
  let watchId: number | null = null;
  let flow = FIRST_FLOW;
  let nextId = 1;

  function end(reason: CallFailed): void {
    if (over !== null) return;
    over = reason;
    rejectAll(reason);
    statusListeners.clear();
    port?.close();
    port = null;
  }

  function rejectAll(reason: CallFailed): void {
    const calls = [...pending.values()];
    pending.clear();
    watchId = null;
    for (const call of calls) call.reject(reason);
  }

  /** Whether the extension is gone; tells the listeners the first time that it is. */
  function checkOrphaned(): boolean {
    if (orphaned) return true;
    if (over !== null || !link.isOrphaned()) return false;
    orphaned = true;
    end(new CallFailed("disconnected", "the extension was updated or removed; reload the page"));
    for (const listener of orphanListeners) listener();
    orphanListeners.clear();
    return true;
  }

  function settle(id: number): Pending | undefined {
    const call = pending.get(id);
    pending.delete(id);
    if (id === watchId) watchId = null;
    return call;
  }

  function receive(message: FromHost): void {
    switch (message.kind) {
      case "answer":
        flow = message.flow;
        settle(message.id)?.resolve(message.res);
        return;
      case "error":
        settle(message.id)?.reject(new CallFailed(message.error.code, message.error.message));
        return;
      case "status":
        for (const listener of [...statusListeners]) listener(message.status);
    }
  }

  function send(call: Pending): void {
    if (port === null) return;
    const { message } = call;
    const left = (message.deadlineMs ?? Infinity) - (link.now() - call.madeMs);
    if (left < 0) {
      settle(message.id);
      call.reject(new CallFailed("late", `${message.name} was not answered in time`));
      return;
    }
    call.sends += 1;
    try {
      port.post(message.deadlineMs === undefined ? message : { ...message, deadlineMs: left });
    } catch {
      // A port that is already closed throws; its onClose decides what happens to the call.
    }
  }

  function lost(lostPort: Port<FromHost, ToHost>): void {
    if (port !== lostPort) return;
    port = null;
    if (checkOrphaned()) return;
    void link.wait(ORPHAN_RECHECK_MS).then(checkOrphaned);
    for (const [id, call] of pending) {
      if (call.sends < SENDS_PER_CALL) continue;
      settle(id);
      call.reject(
        new CallFailed("disconnected", `the host went away ${call.sends} times before it answered`),
      );
    }
    if (statusListeners.size > 0) watch();
    if (pending.size > 0) void open();
  }

  async function open(): Promise<void> {
    if (opening || port !== null || over !== null) return;
    opening = true;
    const opened = await openWithRetries();
    opening = false;
    if (over !== null) {
      opened?.close();
      return;
    }
    if (opened === null) {
      rejectAll(new CallFailed("disconnected", "the extension's host page cannot be reached"));
      return;
    }
    port = opened;
    opened.onMessage(receive);
    opened.onClose(() => lost(opened));
    for (const call of [...pending.values()]) send(call);
  }

  async function openWithRetries(): Promise<Port<FromHost, ToHost> | null> {
    for (let attempt = 0; over === null; attempt += 1) {
      try {
        return await link.open();
      } catch {
        const wait = REOPEN_WAITS_MS[attempt];
        if (checkOrphaned() || wait === undefined) return null;
        await link.wait(wait);
        if (checkOrphaned()) return null;
      }
    }
    return null;
  }

  function enqueue(message: Extract<ToHost, { kind: "call" }>): Promise<Calls[CallName]["res"]> {
    return new Promise((resolve, reject) => {
      const call: Pending = { message, resolve, reject, madeMs: link.now(), sends: 0 };
      pending.set(message.id, call);
      if (port === null) void open();
      else send(call);
    });
  }

  function watch(): void {
    if (watchId !== null || over !== null) return;
    watchId = nextId++;
    enqueue({ kind: "call", id: watchId, name: "engine.watch", req: {} }).then(
      (status) => receive({ kind: "status", status: status as EngineStatus }),
      () => undefined, // no status to show; the next lost or opened port tries again
    );
  }

  function call<N extends CallName>(
    name: N,
    req: Calls[N]["req"],
    options: CallOptions = {},
  ): Promise<Calls[N]["res"]> {
    const cancelled = new CallFailed("cancelled", `${name} was cancelled by its caller`);
    if (checkOrphaned() || over !== null) {
      return Promise.reject(over ?? cancelled);
    }
    if (options.signal?.aborted) return Promise.reject(cancelled);
    const id = nextId++;
    // `name` and `req` belong together by N, which the mapped union cannot express.
    const { deadlineMs } = options;
    const limit = deadlineMs === undefined ? {} : { deadlineMs };
    const message = { kind: "call", id, name, req, ...limit } as Extract<ToHost, { kind: "call" }>;
    const answer = enqueue(message) as Promise<Calls[N]["res"]>;
    const abort = (): void => {
      const given = settle(id);
      if (given === undefined) return;
      given.reject(cancelled);
      try {
        if (given.sends > 0) port?.post({ kind: "cancel", id });
      } catch {
        // The port is closed: whoever worked on the call is gone already.
      }
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    const done = (): void => options.signal?.removeEventListener("abort", abort);
    answer.then(done, done);
    return answer;
  }

  signal.addEventListener(
    "abort",
    () => end(new CallFailed("cancelled", "this client was closed")),
    { once: true },
  );
  if (signal.aborted) end(new CallFailed("cancelled", "this client was closed"));

  return {
    call,
    get flow() {
      return flow;
    },
    onStatus(listener, until) {
      if (until?.aborted || over !== null) return;
      statusListeners.add(listener);
      until?.addEventListener("abort", () => statusListeners.delete(listener), { once: true });
      watch();
    },
    onOrphaned(listener) {
      if (checkOrphaned()) listener();
      else orphanListeners.add(listener);
    },
  };
}
