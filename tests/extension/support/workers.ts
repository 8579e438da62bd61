/** Workers that do what a test says, and the states of models that they tell of. */

import assert from "node:assert/strict";

import type { ModelState, ModelStates } from "../../../extension_src/src/protocol/messages.ts";
import type { FromWorker, ToWorker, WorkerCall } from "../../../extension_src/src/protocol/worker_port.ts";
import type { WorkerLink } from "../../../extension_src/src/router/seat.ts";

export const IDLE: ModelStates = { moderation: { phase: "idle" }, completion: { phase: "idle" } };

export const READY: ModelState = {
  phase: "ready",
  backend: "fake",
  loadMs: 1,
  memoryBytes: 1000,
  demoted: [],
};

export class FakeWorker implements WorkerLink {
  readonly received: ToWorker[] = [];
  isTerminated = false;
  emit: (message: FromWorker) => void = () => undefined;
  crash: (reason: string) => void = () => undefined;

  post(message: ToWorker): void {
    assert.ok(!this.isTerminated, "a message to a worker that was ended");
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

  /** Calls that it was given, and those that were cancelled since. */
  get calls(): readonly WorkerCall[] {
    return this.received.flatMap((message) =>
      message !== "ping" && message.message.kind === "call" ? [message.message] : [],
    );
  }
  get callIds(): readonly number[] {
    return this.calls.map(({ id }) => id);
  }
  get cancelled(): readonly number[] {
    return this.received.flatMap((message) =>
      message !== "ping" && message.message.kind === "cancel" ? [message.message.id] : [],
    );
  }
  get pings(): number {
    return this.received.filter((message) => message === "ping").length;
  }
  /** Texts of each of its calls. */
  get texts(): readonly (readonly string[])[] {
    return this.calls.flatMap((call) => (call.name === "moderation.score" ? [call.req.texts] : []));
  }

  /** Answers a call: each text is scored by its length. */
  answer(call: WorkerCall | undefined): void {
    assert.ok(call !== undefined, "there is no such call");
    const { id } = call;
    switch (call.name) {
      case "moderation.score":
        return this.emit({ kind: "answer", id, res: { scores: call.req.texts.map(({ length }) => [length]) } });
      case "completion.suggest":
        return this.emit({ kind: "answer", id, res: { text: "x", confidence: 1, silence: null } });
      case "engine.warm":
        return this.emit({ kind: "warmed", id });
    }
  }

  tell(changed: Partial<ModelStates>): void {
    this.emit({ kind: "models", models: { ...IDLE, ...changed } });
  }
}
