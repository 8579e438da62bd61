/** What travels between the host page and the worker: the calls of all clients on one channel. */

import type { FromHost, ToHost } from "./messages.ts";

/**
 * `client` is a number that the router gives to each port; with it `field` of a suggestion is
 * unique. Ids inside `message` are the router's own, unique over all clients.
 */
export interface ToWorker {
  readonly client: number;
  readonly message: ToHost;
}

export type FromWorker = FromHost;
