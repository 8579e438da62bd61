/**
 * The host page's router: ports of untrusted clients on one side, one worker on the other.
 *
 *   port message ─▶ schema ─▶ allowed for the role ─▶ calls in flight ─▶ own id ─▶ worker
 *                     └───────────┴──── refused ───────────┘              │
 *   port ◀── client's id ◀──────────────────────────────────── answer ◀──┘
 *
 * The worker is started by the first call that needs it. When it crashes, calls in flight are sent
 * once more to a fresh one; those that are in flight at a second crash fail.
 */

import {
  LIMITS,
  type CallError,
  type EngineStatus,
  type ErrorCode,
  type FromHost,
  type ToHost,
} from "../protocol/messages.ts";
import type { Port } from "../protocol/port.ts";
import { readToHost } from "../protocol/validate.ts";
import type { FromWorker, ToWorker } from "../protocol/worker_port.ts";
import { mayCall, type Role } from "./sender.ts";

/** A running worker. `onCrash` is called at most once, with what is known of the reason. */
export interface WorkerLink {
  post(message: ToWorker): void;
  onMessage(listener: (message: FromWorker) => void): void;
  onCrash(listener: (reason: string) => void): void;
  terminate(): void;
}

export interface RouterOptions {
  readonly spawn: () => WorkerLink;
  /** The status while no worker runs. */
  readonly idleStatus: EngineStatus;
  /** Told when the first call begins and when the last one has been answered. */
  readonly onBusy?: (busy: boolean) => void;
}

/** How often a call is sent to a worker: once, and once more after a crash. */
const SENDS_PER_CALL = 2;

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
  readonly message: Extract<ToHost, { kind: "call" }>;
  sends: number;
}

export class Router {
  readonly #options: RouterOptions;
  readonly #clients = new Set<Client>();
  readonly #inFlight = new Map<number, InFlight>();
  #worker: WorkerLink | null = null;
  #status: EngineStatus;
  #nextId = 1;
  #nextClient = 1;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#status = options.idleStatus;
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
      client.port.post({ kind: "answer", id: message.id, res: this.#status });
      return;
    }
    if (client.calls.size >= LIMITS.callsInFlight) {
      const wrong = `at most ${LIMITS.callsInFlight} unanswered calls at a time`;
      return this.#refuse(client, message.id, "too-many", wrong);
    }
    this.#start(client, message);
  }

  #refuse(client: Client, id: number, code: ErrorCode, message: string): void {
    client.port.post({ kind: "error", id, error: { code, message } });
  }

  #start(client: Client, message: Extract<ToHost, { kind: "call" }>): void {
    const id = this.#nextId++;
    const call: InFlight = { client, clientId: message.id, message: { ...message, id }, sends: 0 };
    if (this.#inFlight.size === 0) this.#options.onBusy?.(true);
    this.#inFlight.set(id, call);
    client.calls.set(message.id, id);
    this.#send(call);
  }

  #send(call: InFlight): void {
    call.sends += 1;
    this.#running().post({ client: call.client.number, message: call.message });
  }

  #running(): WorkerLink {
    if (this.#worker !== null) return this.#worker;
    const worker = this.#options.spawn();
    this.#worker = worker;
    worker.onMessage((message) => this.#fromWorker(worker, message));
    worker.onCrash((reason) => this.#crashed(worker, reason));
    return worker;
  }

  #fromWorker(worker: WorkerLink, message: FromWorker): void {
    if (worker !== this.#worker) return; // a last word of one that crashed
    if (message.kind === "status") return this.#broadcast(message.status);
    const call = this.#finish(message.id);
    call?.client.port.post({ ...message, id: call.clientId });
  }

  #broadcast(status: EngineStatus): void {
    this.#status = status;
    for (const client of this.#clients) {
      if (client.watches) client.port.post({ kind: "status", status });
    }
  }

  /** Forgets a call; undefined when it was cancelled before. */
  #finish(id: number): InFlight | undefined {
    const call = this.#inFlight.get(id);
    if (call === undefined) return undefined;
    this.#inFlight.delete(id);
    call.client.calls.delete(call.clientId);
    if (this.#inFlight.size === 0) this.#options.onBusy?.(false);
    return call;
  }

  #cancel(client: Client, clientId: number): void {
    const id = client.calls.get(clientId);
    if (id === undefined) return; // answered while the cancel was on its way
    this.#finish(id);
    this.#worker?.post({ client: client.number, message: { kind: "cancel", id } });
  }

  #drop(client: Client): void {
    for (const clientId of [...client.calls.keys()]) this.#cancel(client, clientId);
    this.#clients.delete(client);
  }

  #crashed(worker: WorkerLink, reason: string): void {
    if (worker !== this.#worker) return;
    this.#worker = null;
    worker.terminate();
    this.#broadcast(this.#options.idleStatus);
    const error: CallError = { code: "model-failed", message: `the worker crashed twice: ${reason}` };
    for (const [id, call] of [...this.#inFlight]) {
      if (call.sends < SENDS_PER_CALL) continue;
      this.#finish(id);
      call.client.port.post({ kind: "error", id: call.clientId, error });
    }
    for (const call of [...this.#inFlight.values()]) this.#send(call);
  }
}
