/**
 * The host page's router: ports of untrusted clients on one side, the pool of workers on the other.
 *
 *   port message ─▶ schema ─▶ allowed for the role ─▶ admission ─▶ own id ─▶ pool
 *                     └───────────┴──── refused ─────────┘            │
 *   port ◀── client's id ◀──────────────────────────────── answer ◀──┘
 */

import type { EngineStatus, ErrorCode, FromHost } from "../protocol/messages.ts";
import type { Port } from "../protocol/port.ts";
import { readToHost } from "../protocol/validate.ts";
import type { WorkerCall } from "../protocol/worker_port.ts";
import { Admission } from "./admission.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { mayCall, type Role } from "./sender.ts";

export interface RouterOptions extends Pick<
  PoolOptions,
  "spawn" | "size" | "idleUnloadMs" | "clock" | "models"
> {
  /** Told when the first call begins and when the last one has been answered. */
  readonly onBusy?: (busy: boolean) => void;
}

/** Statuses that tell of the lanes alone come no more often. */
const STATUS_EVERY_MS = 250;

interface Client {
  readonly number: number;
  readonly role: Role;
  readonly port: Port<unknown, FromHost>;
  /** The client's id of a call → ours. */
  readonly calls: Map<number, number>;
  watches: boolean;
}

interface InFlight {
  readonly client: Client;
  readonly clientId: number;
  readonly call: WorkerCall;
}

export class Router {
  readonly #options: RouterOptions;
  readonly #clients = new Set<Client>();
  readonly #inFlight = new Map<number, InFlight>();
  readonly #admission = new Admission();
  readonly #pool: Pool;
  #statusIsDue = false;
  #nextId = 1;
  #nextClient = 1;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#pool = new Pool({
      ...options,
      onAnswer: (id, res) => {
        const call = this.#finish(id);
        const flow = this.#admission.flow();
        if (call !== undefined) tell(call.client, { kind: "answer", id: call.clientId, res, flow });
        this.#tellStatusSoon();
      },
      onError: (id, error) => {
        const call = this.#finish(id);
        if (call !== undefined) tell(call.client, { kind: "error", id: call.clientId, error });
      },
      onChange: () => this.#tellStatus(),
    });
  }

  /** Serves a port until it closes. */
  accept(port: Port<unknown, FromHost>, role: Role): void {
    const client: Client = {
      number: this.#nextClient++,
      role,
      port,
      calls: new Map(),
      watches: false,
    };
    this.#clients.add(client);
    port.onMessage((message) => this.#fromClient(client, message));
    port.onClose(() => this.#drop(client));
  }

  #fromClient(client: Client, value: unknown): void {
    const read = readToHost(value);
    if (!read.ok) {
      // Without an id there is nobody to tell: such a message is not from our client code.
      if (read.id !== null) this.#refuse(client, read.id, "bad-request", read.wrong);
      return;
    }
    const message = read.message;
    if (message.kind === "cancel") return this.#cancel(client, message.id);
    if (!mayCall(client.role, message.name)) {
      return this.#refuse(client, message.id, "bad-request", `${message.name}: not for this sender`);
    }
    if (client.calls.has(message.id)) {
      return this.#refuse(client, message.id, "bad-request", `id: ${message.id} is in flight already`);
    }
    if (message.name === "engine.watch") {
      client.watches = true;
      const flow = this.#admission.flow();
      tell(client, { kind: "answer", id: message.id, res: this.#pool.status, flow });
      return;
    }
    const wrong = this.#admission.admit(client.number, message);
    if (wrong !== null) return this.#refuse(client, message.id, "too-many", wrong);
    this.#start(client, message);
  }

  #refuse(client: Client, id: number, code: ErrorCode, message: string): void {
    tell(client, { kind: "error", id, error: { code, message } });
  }

  #start(client: Client, message: WorkerCall): void {
    const id = this.#nextId++;
    const call: WorkerCall = { ...message, id };
    if (this.#inFlight.size === 0) this.#options.onBusy?.(true);
    this.#inFlight.set(id, { client, clientId: message.id, call });
    client.calls.set(message.id, id);
    this.#pool.submit(client.number, call);
  }

  /** Forgets a call; undefined when it was cancelled before. */
  #finish(id: number): InFlight | undefined {
    const call = this.#inFlight.get(id);
    if (call === undefined) return undefined;
    this.#inFlight.delete(id);
    call.client.calls.delete(call.clientId);
    this.#admission.release(call.client.number, call.call);
    if (this.#inFlight.size === 0) this.#options.onBusy?.(false);
    return call;
  }

  #cancel(client: Client, clientId: number): void {
    const id = client.calls.get(clientId);
    if (id === undefined) return; // answered while the cancel was on its way
    this.#finish(id);
    this.#pool.cancel(id);
  }

  #drop(client: Client): void {
    for (const clientId of [...client.calls.keys()]) this.#cancel(client, clientId);
    this.#clients.delete(client);
  }

  #tellStatus(): void {
    const watchers = [...this.#clients].filter(({ watches }) => watches);
    if (watchers.length === 0) return;
    const status: EngineStatus = this.#pool.status;
    for (const watcher of watchers) tell(watcher, { kind: "status", status });
  }

  #tellStatusSoon(): void {
    if (this.#statusIsDue) return;
    this.#statusIsDue = true;
    this.#options.clock.after(STATUS_EVERY_MS, () => {
      this.#statusIsDue = false;
      this.#tellStatus();
    });
  }
}

/** Must not throw: who is told next would go without. */
function tell({ port }: Client, message: FromHost): void {
  try {
    port.post(message);
  } catch {
    // It has gone away; its onClose says so in a moment.
  }
}
