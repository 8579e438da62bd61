/**
 * The trust boundary: what a message from outside of the host page must look like.
 *
 * A content script runs beside a page that may be hostile, so nothing of its type is believed.
 * Values are rebuilt key by key, so that nothing but the known keys goes further.
 */

import { FEATURES, LIMITS, type CallName, type Calls, type ToHost } from "./messages.ts";

/** What came of reading a message. `id` is null when there is no id to answer to. */
export type Read =
  | { readonly ok: true; readonly message: ToHost }
  | { readonly ok: false; readonly id: number | null; readonly wrong: string };

/** A rule was broken; the text reads "place: rule, got found". */
class Refused extends Error {}

function refuse(place: string, rule: string, found: unknown): never {
  throw new Refused(`${place}: ${rule}, got ${describe(found)}`);
}

/** Kind and size of a value, never its content: it may be somebody's text. */
function describe(value: unknown): string {
  if (typeof value === "string") return `a string of ${value.length} characters`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? "null" : typeof value;
}

function record(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuse(place, "must be an object", value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function text(value: unknown, place: string, maxCharacters: number): string {
  if (typeof value !== "string" || value.length > maxCharacters) {
    refuse(place, `must be a string of at most ${maxCharacters} characters`, value);
  }
  return value;
}

function oneOf<T extends string>(value: unknown, place: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  return found ?? refuse(place, `must be one of ${allowed.join(", ")}`, value);
}

function within(value: unknown, place: string, low: number, high: number): number {
  if (typeof value !== "number" || !(value >= low && value <= high)) {
    refuse(place, `must be a number from ${low} to ${high}`, value);
  }
  return value;
}

function texts(value: unknown, place: string): readonly string[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > LIMITS.textsPerCall) {
    refuse(place, `must be a list of 1 to ${LIMITS.textsPerCall} texts`, value);
  }
  return value.map((one, at) => text(one, `${place}[${at}]`, LIMITS.charactersPerText));
}

function deadline(value: unknown): { readonly deadlineMs?: number } {
  if (value === undefined) return {};
  return { deadlineMs: within(value, "deadlineMs", 0, LIMITS.deadlineMs) };
}

type Readers = {
  readonly [N in CallName]: (req: Readonly<Record<string, unknown>>) => Calls[N]["req"];
};

const READERS: Readers = {
  "moderation.score": (req) => ({
    texts: texts(req["texts"], "texts"),
    lane: oneOf(req["lane"], "lane", ["visible", "rest"] as const),
  }),
  "completion.suggest": (req) => {
    const maxWords = within(req["maxWords"], "maxWords", 1, LIMITS.maxWords);
    if (!Number.isInteger(maxWords)) refuse("maxWords", "must be a whole number", maxWords);
    return {
      field: text(req["field"], "field", LIMITS.charactersField),
      before: text(req["before"], "before", LIMITS.charactersBefore),
      after: text(req["after"], "after", LIMITS.charactersAfter),
      minConfidence: within(req["minConfidence"], "minConfidence", 0, 1),
      maxWords,
    };
  },
  "engine.watch": () => ({}),
  "engine.warm": (req) => ({ feature: oneOf(req["feature"], "feature", FEATURES) }),
};

export const CALL_NAMES = Object.keys(READERS) as readonly CallName[];

/** Reads what arrived on a port. Never throws. */
export function readToHost(value: unknown): Read {
  let id: number | null = null;
  try {
    const message = record(value, "message");
    const given = message["id"];
    if (typeof given !== "number" || !Number.isSafeInteger(given) || given < 0) {
      refuse("id", "must be a whole number", given);
    }
    id = given;
    const kind = oneOf(message["kind"], "kind", ["call", "cancel"] as const);
    if (kind === "cancel") return { ok: true, message: { kind, id } };
    const name = oneOf(message["name"], "name", CALL_NAMES);
    const req = READERS[name](record(message["req"], "req"));
    // `name` and `req` belong together by READERS, which the union cannot express.
    const call = { kind, id, name, req, ...deadline(message["deadlineMs"]) } as ToHost;
    return { ok: true, message: call };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, id, wrong: error.message };
    throw error;
  }
}
