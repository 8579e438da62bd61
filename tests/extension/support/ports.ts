/** Ports between contexts, without a browser: both ends of one channel, in order, one tick later. */

import type { Port } from "../../../extension_src/src/protocol/port.ts";

export interface FakePort<In, Out> extends Port<In, Out> {
  /** What this end received, oldest first. */
  readonly received: In[];
  readonly isOpen: boolean;
}

class End<In, Out> implements FakePort<In, Out> {
  readonly received: In[] = [];
  isOpen = true;
  other: End<Out, In> | null = null;
  #onMessage: (message: In) => void = () => undefined;
  #onClose: () => void = () => undefined;

  post(message: Out): void {
    if (!this.isOpen) throw new Error("Attempting to use a disconnected port object");
    const { other } = this;
    queueMicrotask(() => other?.deliver(structuredClone(message)));
  }
  onMessage(listener: (message: In) => void): void {
    this.#onMessage = listener;
  }
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.other?.lost();
  }
  deliver(message: In): void {
    if (!this.isOpen) return;
    this.received.push(message);
    this.#onMessage(message);
  }
  lost(): void {
    this.isOpen = false;
    queueMicrotask(() => this.#onClose());
  }
}

export function channel<A, B>(): readonly [FakePort<A, B>, FakePort<B, A>] {
  const left = new End<A, B>();
  const right = new End<B, A>();
  left.other = right;
  right.other = left;
  return [left, right];
}

/** Lets everything run that is due now, however deep promises are chained. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
