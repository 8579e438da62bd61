/**
 * When to ask for ghost text, when to show it and when to be quiet. Pure: events in, actions out.
 *
 *             edited                timer               answered with text
 *    ┌─ idle ────────▶ waiting ─────────────▶ asking ─────────────────────▶ offering ─┐
 *    │   ▲                │ ▲ edited:           │  │ answered with nothing,      │    │ edited along
 *    │   │                │ └─ wait anew ───────┘  │ failed                      │    │ the ghost:
 *    │   │                │                        │                             │    │ keep the rest
 *    │   └── moved, composing, left, dismissed, accepted ────────────────────────┘ ◀──┘
 *    └──────── (nothing is asked before the text changes) ──── edited otherwise: waiting
 *
 * Only a change of the text by the person leads to a question. A caret that is moved, a field that
 * is entered or a suggestion that is dismissed leads to none, until the text changes again.
 */

export interface Context {
  /** Text before and after the caret, as far as the model may use it. */
  readonly before: string;
  readonly after: string;
}

export interface State {
  readonly phase: "idle" | "waiting" | "asking" | "offering";
  /** What was waited, asked or offered for. */
  readonly context: Context | null;
  /** Id of the last question; an answer to another one is stale. */
  readonly request: number;
  readonly askedAt: number;
  /** Smoothed time from question to answer, ms. */
  readonly latencyMs: number;
  /** What is offered; empty in the other phases. */
  readonly ghost: string;
}

export type Event =
  /** The person changed the text. */
  | { readonly kind: "edited"; readonly context: Context }
  /** Caret or selection may be elsewhere; null while text is selected. */
  | { readonly kind: "moved"; readonly context: Context | null }
  | { readonly kind: "composing" }
  | { readonly kind: "left" }
  /** `at`, here and below: a time in ms. */
  | { readonly kind: "timer"; readonly at: number }
  | { readonly kind: "answered"; readonly request: number; readonly text: string; readonly at: number }
  | { readonly kind: "failed"; readonly request: number }
  /** The part of the offer that could be drawn; empty when there was no room for any. */
  | { readonly kind: "drawn"; readonly text: string }
  | { readonly kind: "dismissed" }
  | { readonly kind: "accepted" };

export type Action =
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "ask"; readonly request: number; readonly context: Context }
  /** Stops a running timer and an unanswered question. */
  | { readonly kind: "cancel" }
  | { readonly kind: "show"; readonly text: string; readonly isRest: boolean }
  | { readonly kind: "hide" }
  | { readonly kind: "insert"; readonly text: string };

export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

const MIN_DEBOUNCE_MS = 15;
const MAX_DEBOUNCE_MS = 120;
/** So that the first debounce is 40 ms. */
const FIRST_LATENCY_MS = 80;
/** Weight of the newest latency in the smoothed one. */
const LATENCY_WEIGHT = 0.3;

export const START: State = {
  phase: "idle",
  context: null,
  request: 0,
  askedAt: 0,
  latencyMs: FIRST_LATENCY_MS,
  ghost: "",
};

/** A slow engine is asked less often: half of the time that an answer takes. */
export function debounceMs(latencyMs: number): number {
  return Math.round(Math.min(MAX_DEBOUNCE_MS, Math.max(MIN_DEBOUNCE_MS, latencyMs / 2)));
}

/** Whether the caret stands where text could go on: not in a word, nothing behind it in the line. */
export function mayOffer({ before, after }: Context): boolean {
  return /\S/.test(before) && /^[^\S\n]*(?:\n|$)/.test(after);
}

/**
 * What is left of `ghost` when the person typed its beginning; null if they typed something else.
 * `before` is a window on the text, so only its end can be compared.
 */
export function restOfGhost(old: Context, now: Context, ghost: string): string | null {
  if (old.after !== now.after) return null;
  for (let typed = 1; typed <= ghost.length; typed += 1) {
    const expected = (old.before + ghost.slice(0, typed)).slice(-256);
    if (now.before.endsWith(expected)) return ghost.slice(typed);
  }
  return null;
}

export function step(state: State, event: Event): Step {
  switch (event.kind) {
    case "edited":
      return edited(state, event.context);
    case "moved":
      return isSame(state.context, event.context) ? stay(state) : rest(state);
    case "timer":
      return timer(state, event.at);
    case "answered":
      return answered(state, event.request, event.text, event.at);
    case "failed":
      return isCurrent(state, event.request) ? rest(state) : stay(state);
    case "drawn":
      if (state.phase !== "offering") return stay(state);
      return event.text === "" ? rest(state) : stay({ ...state, ghost: event.text });
    case "accepted": {
      if (state.phase !== "offering") return stay(state);
      const { state: next, actions } = rest(state);
      return { state: next, actions: [...actions, { kind: "insert", text: state.ghost }] };
    }
    case "composing":
    case "left":
    case "dismissed":
      return rest(state);
  }
}

function stay(state: State): Step {
  return { state, actions: [] };
}

/** Back to idle, from wherever: nothing shown, nothing asked. */
function rest(state: State): Step {
  const actions: readonly Action[] =
    state.phase === "idle"
      ? []
      : state.phase === "offering"
        ? [{ kind: "hide" }]
        : [{ kind: "cancel" }];
  return { state: { ...state, phase: "idle", context: null, ghost: "" }, actions };
}

function edited(state: State, context: Context): Step {
  if (state.phase === "offering" && state.context !== null) {
    const left = restOfGhost(state.context, context, state.ghost);
    if (left !== null && /[\p{L}\p{N}]/u.test(left)) {
      return {
        state: { ...state, context, ghost: left },
        actions: [{ kind: "show", text: left, isRest: true }],
      };
    }
  }
  const { state: rested, actions } = rest(state);
  if (!mayOffer(context)) return { state: rested, actions };
  return {
    state: { ...rested, phase: "waiting", context },
    actions: [...actions, { kind: "wait", ms: debounceMs(state.latencyMs) }],
  };
}

function timer(state: State, at: number): Step {
  if (state.phase !== "waiting" || state.context === null) return stay(state);
  const request = state.request + 1;
  return {
    state: { ...state, phase: "asking", request, askedAt: at },
    actions: [{ kind: "ask", request, context: state.context }],
  };
}

function answered(state: State, request: number, text: string, at: number): Step {
  if (!isCurrent(state, request)) return stay(state);
  const latencyMs =
    state.latencyMs + LATENCY_WEIGHT * (Math.max(0, at - state.askedAt) - state.latencyMs);
  if (text === "") return rest({ ...state, latencyMs });
  return {
    state: { ...state, phase: "offering", ghost: text, latencyMs },
    actions: [{ kind: "show", text, isRest: false }],
  };
}

function isCurrent(state: State, request: number): boolean {
  return state.phase === "asking" && state.request === request;
}

function isSame(a: Context | null, b: Context | null): boolean {
  return a !== null && b !== null && a.before === b.before && a.after === b.after;
}
