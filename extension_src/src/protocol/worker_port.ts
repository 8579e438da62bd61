/** What travels between the host page and a worker: the calls of all clients on one channel. */

import type { CallError, CallName, Calls, ModelStates, ToHost } from "./messages.ts";

/** A call that a worker serves; who watches the engine is answered by the host itself. */
export type WorkerCall = Exclude<
  Extract<ToHost, { readonly kind: "call" }>,
  { readonly name: "engine.watch" }
>;

export type ToWorker =
  /**
   * `client` is a number that the router gives to each port; with it `field` of a suggestion is
   * unique. Ids inside `message` are the host's own, unique over all clients.
   */
  | { readonly client: number; readonly message: WorkerCall | Extract<ToHost, { readonly kind: "cancel" }> }
  /** Is answered with a `pong` as soon as the worker's event loop turns. */
  | "ping";

export type FromWorker =
  | { readonly kind: "answer"; readonly id: number; readonly res: Calls[Exclude<CallName, "engine.watch" | "engine.warm">]["res"] }
  /** The model of an `engine.warm` is loaded or has failed to; the states before it say which. */
  | { readonly kind: "warmed"; readonly id: number }
  | { readonly kind: "error"; readonly id: number; readonly error: CallError }
  | { readonly kind: "models"; readonly models: ModelStates }
  | { readonly kind: "pong" };
