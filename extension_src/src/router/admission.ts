/**
 * How much the host takes: bounds on what waits for an answer, in all and of each client, so that
 * memory stays bounded however many pages ask, and one of them cannot use up the place of the
 * others.
 *
 * Text out of view is refused when half of the place is taken, text in view when most of it is:
 * what a person waits for comes in last of all to be refused. Before that, clients are told with
 * each answer how large their next `rest` call should be: a share of `REST_TEXTS`. A client sends
 * the next one when the last was answered, so that all of them go as fast as they are served.
 */

import { LIMITS, type Flow, type Lane } from "../protocol/messages.ts";
import type { WorkerCall } from "../protocol/worker_port.ts";

/** Texts out of view that should wait at a time, of all clients together. */
const REST_TEXTS = 256;
/** Bounds of one client's share: larger ones gain nothing, smaller ones cost more than they save. */
const MAX_REST_TEXTS = 32;
const MIN_REST_TEXTS = 4;

/** Part of the place for all up to which a lane is taken. */
const SHARE: { readonly [L in Lane]: number } = { keystroke: 1, visible: 0.9, rest: 0.5 };

interface Load {
  calls: number;
  texts: number;
  characters: number;
  restCalls: number;
}

const nothing = (): Load => ({ calls: 0, texts: 0, characters: 0, restCalls: 0 });

/** The lane that serves a call; null for a call that no lane waits for. */
export function laneOf(call: WorkerCall): Lane | null {
  if (call.name === "moderation.score") return call.req.lane;
  return call.name === "completion.suggest" ? "keystroke" : null;
}

export class Admission {
  readonly #all = nothing();
  /** Clients with unanswered calls. */
  readonly #clients = new Map<number, Load>();
  /** How many of them have unanswered `rest` calls. */
  #resting = 0;

  /** Counts a call in; or says why it cannot be taken now, and does not. */
  admit(client: number, call: WorkerCall): string | null {
    const own = this.#clients.get(client) ?? nothing();
    const { texts, characters } = sizeOf(call);
    const share = SHARE[laneOf(call) ?? "keystroke"];
    if (own.calls >= LIMITS.callsInFlight) {
      return `at most ${LIMITS.callsInFlight} unanswered calls at a time`;
    }
    if (own.texts + texts > LIMITS.textsInFlight) {
      return `at most ${LIMITS.textsInFlight} unanswered texts at a time`;
    }
    if (own.characters + characters > LIMITS.charactersInFlight) {
      return `at most ${LIMITS.charactersInFlight} unanswered characters at a time`;
    }
    if (
      this.#all.texts + texts > LIMITS.textsInAll * share ||
      this.#all.characters + characters > LIMITS.charactersInAll * share
    ) {
      return "too much waits already, of all pages together";
    }
    this.#clients.set(client, own);
    this.#count(own, call, 1);
    return null;
  }

  /** Counts a call out that was admitted, because it was answered or given up. */
  release(client: number, call: WorkerCall): void {
    const own = this.#clients.get(client);
    if (own === undefined) return;
    this.#count(own, call, -1);
    if (own.calls === 0) this.#clients.delete(client);
  }

  /** What a client may send next. */
  flow(): Flow {
    const share = Math.floor(REST_TEXTS / Math.max(1, this.#resting));
    return { restTexts: Math.min(MAX_REST_TEXTS, Math.max(MIN_REST_TEXTS, share)) };
  }

  #count(own: Load, call: WorkerCall, sign: 1 | -1): void {
    const { texts, characters } = sizeOf(call);
    const wasResting = own.restCalls > 0;
    for (const load of [own, this.#all]) {
      load.calls += sign;
      load.texts += sign * texts;
      load.characters += sign * characters;
      if (laneOf(call) === "rest") load.restCalls += sign;
    }
    this.#resting += Number(own.restCalls > 0) - Number(wasResting);
  }
}

function sizeOf(call: WorkerCall): { readonly texts: number; readonly characters: number } {
  switch (call.name) {
    case "moderation.score":
      return {
        texts: call.req.texts.length,
        characters: call.req.texts.reduce((sum, text) => sum + text.length, 0),
      };
    case "completion.suggest":
      return { texts: 1, characters: call.req.before.length + call.req.after.length };
    case "engine.warm":
      return { texts: 0, characters: 0 };
  }
}
