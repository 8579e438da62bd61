/**
 * The only list of messages between the extension's contexts.
 *
 *   content, ui ──port──▶ host page (router) ──▶ worker      Calls: answered once, cancellable
 *   worker ──▶ host page (router) ──port──▶ ui               EngineStatus: pushed to subscribers
 *   content, ui ──one-shot──▶ background                     BackgroundMessages
 *   ui ──one-shot──▶ content script of a tab                 PageMessages
 *
 * A new message is a new member here; a missing handler is then a type error.
 */

/** Order in which the worker serves calls: a lower index goes first. */
export const LANES = ["keystroke", "visible", "rest"] as const;
export type Lane = (typeof LANES)[number];

export const FEATURES = ["moderation", "completion"] as const;
export type Feature = (typeof FEATURES)[number];

export interface Calls {
  /**
   * Probabilities per text and label, in the order of `runtime.models.moderation.labels`; null for
   * a text that the model abstains from (see worker/moderation.ts).
   */
  "moderation.score": {
    req: { readonly texts: readonly string[]; readonly lane: "visible" | "rest" };
    res: { readonly scores: readonly (readonly number[] | null)[] };
  };
  /**
   * Ghost text for the caret between `before` and `after`. A newer call with the same `field`
   * from the same client replaces an unfinished older one, which is answered with `superseded`.
   * `minConfidence` and `maxWords` are the person's settings (the worker has no storage to read).
   */
  "completion.suggest": {
    req: {
      readonly field: string;
      readonly before: string;
      readonly after: string;
      readonly minConfidence: number;
      readonly maxWords: number;
    };
    res: Suggestion;
  };
  /** The present status; the port is then sent every later one as a `status` event. */
  "engine.watch": { req: Record<string, never>; res: EngineStatus };
  /** Starts loading a model without asking it anything. */
  "engine.warm": { req: { readonly feature: Feature }; res: EngineStatus };
}

export type CallName = keyof Calls;

/** Why no ghost text is offered. A closed set, so that a debug view can list it. */
export const SILENCES = ["unsure", "nothing", "repeats-after", "no-context"] as const;
export type Silence = (typeof SILENCES)[number];

/** `text` continues `before` exactly; it is empty if and only if `silence` is set. */
export interface Suggestion {
  readonly text: string;
  /** Probability of the whole text: product over its tokens, 0..1. */
  readonly confidence: number;
  readonly silence: Silence | null;
}

export type ModelState =
  | { readonly phase: "absent" }
  | { readonly phase: "idle" }
  | { readonly phase: "loading"; readonly loadedBytes: number; readonly totalBytes: number }
  | { readonly phase: "ready"; readonly backend: string; readonly loadMs: number }
  | { readonly phase: "failed"; readonly reason: string };

export interface LaneStats {
  readonly served: number;
  readonly waiting: number;
  /** Median and 95th percentile of time from arrival to answer, ms; null before the first answer. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

export interface EngineStatus {
  readonly models: { readonly [F in Feature]: ModelState };
  readonly lanes: { readonly [L in Lane]: LaneStats };
}

/** Errors that cross a context. `code` decides what the caller does, `message` is for people. */
export const ERROR_CODES = [
  "bad-request", // the message does not fit its schema: a bug, or a hostile page
  "too-many", // back-pressure: the caller should slow down and may ask again
  "cancelled", // the caller cancelled it
  "superseded", // a newer call took its place
  "model-failed", // the model cannot be loaded or run; asking again will not help
  "disconnected", // the host went away before it answered; asking again may help
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];
export interface CallError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What travels over a port, both between page and host and between host and worker. */
export type ToHost =
  | { readonly [N in CallName]: { readonly kind: "call"; readonly id: number; readonly name: N; readonly req: Calls[N]["req"] } }[CallName]
  | { readonly kind: "cancel"; readonly id: number };

export type FromHost =
  | { readonly kind: "answer"; readonly id: number; readonly res: Calls[CallName]["res"] }
  | { readonly kind: "error"; readonly id: number; readonly error: CallError }
  | { readonly kind: "status"; readonly status: EngineStatus };

/** One-shot messages to the background. */
export interface BackgroundMessages {
  /** Makes sure that the host page with its worker is up; answered when ports can be opened. */
  "host.ensure": { req: Record<string, never>; res: { readonly ready: true } };
  /**
   * Shows how many blocks are veiled in the sender's tab on the toolbar button. `page` names the
   * sender's document: its time origin.
   */
  "badge.set": {
    req: { readonly veiled: number; readonly page: number };
    res: { readonly shown: true };
  };
}

/** One-shot messages from the popup to the content scripts of the tab it is shown for. */
export interface PageMessages {
  "page.describe": {
    req: Record<string, never>;
    res: { readonly site: string; readonly veiled: number; readonly scanned: number };
  };
}

/** Limits at the trust boundary; a message over them is refused with `bad-request`. */
export const LIMITS = {
  textsPerCall: 64,
  charactersPerText: 4000,
  charactersBefore: 4000,
  charactersAfter: 500,
  charactersField: 64,
  maxWords: 32,
  /** Unanswered calls of one port; more are refused with `too-many`. */
  callsInFlight: 32,
} as const;
