/**
 * Calls cut into parts for several workers, and their answers put together again. A part is a call
 * of its own to the worker that gets it; most calls have one.
 */

import type { Calls } from "../protocol/messages.ts";
import type { WorkerCall } from "../protocol/worker_port.ts";

/** Fewer texts than this gain nothing from being shared out. */
const MIN_TEXTS = 8;

export type Answer = Calls["moderation.score" | "completion.suggest"]["res"];

/** What a client asked for. */
export interface Work {
  readonly id: number;
  readonly client: number;
  readonly call: WorkerCall;
  readonly arrivedMs: number;
  /** Unanswered parts. */
  readonly open: Set<Part>;
  /** Answers of the parts, in their order. */
  readonly answers: (Answer | undefined)[];
}

export interface Part {
  /** Null: it warms a worker up, and nobody waits for it. */
  readonly work: Work | null;
  /** Which of the parts it is, from 0. */
  readonly at: number;
  /** With an id of its own. */
  readonly call: WorkerCall;
  /** How often it was sent to a worker. */
  readonly sends: number;
}

/** Texts to score in a part. */
export function sizeOfPart({ call }: Part): number {
  return call.name === "moderation.score" ? call.req.texts.length : 0;
}

/** A call in as many equal parts as there are workers for it, each with the next of the ids. */
export function cut(call: WorkerCall, workers: number, nextId: () => number): readonly WorkerCall[] {
  if (call.name !== "moderation.score") return [{ ...call, id: nextId() }];
  const { texts, lane } = call.req;
  const count = Math.max(1, Math.min(workers, Math.floor(texts.length / MIN_TEXTS)));
  const edge = (at: number): number => Math.round((at * texts.length) / count);
  return Array.from({ length: count }, (_, at) => ({
    ...call,
    id: nextId(),
    req: { texts: texts.slice(edge(at), edge(at + 1)), lane },
  }));
}

/** The answer to the whole call. */
export function join(answers: readonly Answer[]): Answer {
  const [first] = answers;
  if (first === undefined) throw new Error("a call without parts has no answer");
  if (answers.length === 1) return first;
  return { scores: answers.flatMap((answer) => ("scores" in answer ? answer.scores : [])) };
}
