/**
 * The only list of messages between the extension's contexts.
 *
 *   content, ui ──port──▶ host page (router) ──▶ workers     Calls: answered once, cancellable
 *   workers ──▶ host page (router) ──port──▶ ui              EngineStatus: pushed to subscribers
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

/** Why a backend was given up. A closed set, so that a person can be told in their language. */
export const DEMOTION_CAUSES = [
  "unavailable", // this browser or machine has not what it needs, or it could not be opened
  "wrong", // its results were not those of the build
  "died", // it took the browser's process or its worker down with it
  "lost", // it worked, until what it ran on went away, as a GPU that is reset
] as const;
export type DemotionCause = (typeof DEMOTION_CAUSES)[number];

/** A backend that could have run a model and does not. */
export interface DemotedBackend {
  readonly backend: string;
  readonly cause: DemotionCause;
  /** What exactly was found, in English, for who looks closer. */
  readonly reason: string;
}

/**
 *   idle ──first call──▶ loading ──▶ ready ──long unused──▶ unloaded ──next call──▶ loading
 *                           └──────▶ failed                      absent: not in this package
 */
export type ModelState =
  | { readonly phase: "absent" }
  | { readonly phase: "idle" }
  | { readonly phase: "loading"; readonly loadedBytes: number; readonly totalBytes: number }
  | {
      readonly phase: "ready";
      readonly backend: string;
      readonly loadMs: number;
      /** Memory that its engine holds, weights and caches included; null where it cannot say. */
      readonly memoryBytes: number | null;
      /** In the order in which they were given up; most often none. */
      readonly demoted: readonly DemotedBackend[];
    }
  | { readonly phase: "failed"; readonly reason: string }
  | { readonly phase: "unloaded" };

export type ModelStates = { readonly [F in Feature]: ModelState };

export interface LaneStats {
  readonly served: number;
  readonly waiting: number;
  /** Median and 95th percentile of time from arrival to answer, ms; null before the first answer. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

export type LanesStats = { readonly [L in Lane]: LaneStats };

export interface EngineStatus {
  readonly models: ModelStates;
  readonly lanes: LanesStats;
  /** Workers that run now; more than one only where they cannot share memory. */
  readonly workers: number;
}

/** Errors that cross a context. `code` decides what the caller does, `message` is for people. */
export const ERROR_CODES = [
  "bad-request", // the message does not fit its schema: a bug, or a hostile page
  "too-many", // back-pressure: the caller should slow down and may ask again
  "cancelled", // the caller cancelled it
  "superseded", // a newer call took its place
  "late", // it was not answered within its `deadlineMs`
  "model-failed", // the model cannot be loaded or run; asking again will not help
  "disconnected", // the host went away before it answered; asking again may help
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];
export interface CallError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What travels from a page to the host. */
export type ToHost =
  | { readonly [N in CallName]: ToHostCall<N> }[CallName]
  | { readonly kind: "cancel"; readonly id: number };

interface ToHostCall<N extends CallName> {
  readonly kind: "call";
  readonly id: number;
  readonly name: N;
  readonly req: Calls[N]["req"];
  /**
   * For how long from now the caller wants the answer, ms; without it, for ever. A duration, since
   * contexts do not share a clock: who passes a call on passes on what is left.
   */
  readonly deadlineMs?: number;
}

/** What the host takes from a client at present. It comes with every answer. */
export interface Flow {
  /** Most texts that one `rest` call should hold: fewer, the more pages ask at the same time. */
  readonly restTexts: number;
}

export type FromHost =
  | { readonly kind: "answer"; readonly id: number; readonly res: Calls[CallName]["res"]; readonly flow: Flow }
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
  /** Longest time that a caller may say it is interested, ms. */
  deadlineMs: 600_000,
  /** Unanswered calls of one port; more are refused with `too-many`, as is all that follows. */
  callsInFlight: 32,
  /** Unanswered texts of one port, and their characters. */
  textsInFlight: 256,
  charactersInFlight: 524_288,
  /** Unanswered texts of all ports together, and their characters: 8 MB of memory. */
  textsInAll: 2048,
  charactersInAll: 4_194_304,
} as const;
