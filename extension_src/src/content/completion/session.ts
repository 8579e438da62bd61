/**
 * Completion in one frame: finds the field that has the focus, feeds the trigger with what happens
 * in it and carries out what the trigger says. One field at a time has ghost text.
 */

import type { Translate } from "../../lib/labels.ts";
import { removeLeftOvers } from "../../lib/overlay.ts";
import { hasRoomFor, insertText } from "./accept.ts";
import { contextOf, type TextStyle } from "./context.ts";
import { exclusion, factsOf, fieldAt, type Field } from "./fields.ts";
import { createGhost, type Ghost } from "./ghost.ts";
import type { PasswordMemory } from "./passwords.ts";
import { START, step, type Action, type Context, type Event as TriggerEvent } from "./trigger.ts";

export interface SessionOptions {
  readonly translate: Translate;
  readonly passwords: PasswordMemory;
  readonly shadowRoot: (element: Element) => ShadowRoot | null;
  /** Text that goes on from the context; empty for none. Rejects when it was not answered. */
  readonly suggest: (field: string, context: Context, signal: AbortSignal) => Promise<string>;
  /** A field was entered that may be completed: a good moment to load the model. */
  readonly onEnter: () => void;
}

const pageStyle: TextStyle = {
  isBlock: (element) => !/^(?:inline|contents|none)/.test(getComputedStyle(element).display),
  isPreserved: (element) => /^(?:pre|break)/.test(getComputedStyle(element).whiteSpace),
};

/** Accepts after which the key needs no more naming. */
const HINTS = 2;

/** Runs until `signal` aborts. */
export function complete(options: SessionOptions, signal: AbortSignal): void {
  let current: { readonly field: Field; readonly leave: () => void } | null = null;
  let fields = 0;
  let accepts = 0;
  const followed = new WeakSet<ShadowRoot>();
  const listen = { capture: true, signal } as const;

  function enter(element: Element | null): void {
    if (element !== null) follow(element);
    const field = fieldAt(element);
    if (field !== null && field.element === current?.field.element) return;
    leave();
    if (field === null) return;
    options.passwords.watch(field.element.getRootNode());
    if (isExcluded(field)) return;
    const here = new AbortController();
    fields += 1;
    attend(field, `field-${fields}`, AbortSignal.any([signal, here.signal]));
    current = { field, leave: () => here.abort() };
    options.onEnter();
  }

  function leave(): void {
    current?.leave();
    current = null;
  }

  function isExcluded(field: Field): boolean {
    return exclusion(factsOf(field, options.passwords.wasPassword(field.element))) !== null;
  }

  /** While the focus stays inside of a shadow root, nothing outside of it hears of the changes. */
  function follow(element: Element): void {
    let root = element.getRootNode();
    for (; root instanceof ShadowRoot; root = root.host.getRootNode()) {
      if (followed.has(root)) continue;
      followed.add(root);
      root.addEventListener("focusin", onFocus, listen);
    }
  }

  function onFocus(event: Event): void {
    enter(deepest(targetOf(event)));
  }

  /** Events inside of a closed shadow root name its host; the focus leads further. */
  function deepest(element: Element | null): Element | null {
    let at = element;
    for (let root = at === null ? null : options.shadowRoot(at); root?.activeElement; ) {
      at = root.activeElement;
      root = options.shadowRoot(at);
    }
    return at;
  }

  function attend(field: Field, id: string, here: AbortSignal): void {
    const ghost: Ghost = createGhost(
      { field, translate: options.translate, hasHint: () => accepts < HINTS },
      here,
    );
    let state = START;
    let isComposing = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking: AbortController | null = null;

    function dispatch(event: TriggerEvent): void {
      const next = step(state, event);
      state = next.state;
      for (const action of next.actions) act(action);
    }

    function act(action: Action): void {
      switch (action.kind) {
        case "wait":
          clearTimeout(timer);
          timer = setTimeout(() => {
            if (isStillOurs()) dispatch({ kind: "timer", at: performance.now() });
          }, action.ms);
          return;
        case "ask":
          asking = new AbortController();
          void ask(action.request, action.context, AbortSignal.any([here, asking.signal]));
          return;
        case "cancel":
          clearTimeout(timer);
          asking?.abort();
          asking = null;
          return;
        case "show":
          show(action.text, action.isRest);
          return;
        case "hide":
          ghost.hide();
          return;
        case "insert":
          accepts += 1;
          insertText(field, action.text);
      }
    }

    async function ask(request: number, context: Context, until: AbortSignal): Promise<void> {
      try {
        const text = await options.suggest(id, context, until);
        if (!until.aborted) dispatch({ kind: "answered", request, text, at: performance.now() });
      } catch {
        // No answer, for whatever reason, is a reason to be quiet; the next key asks again.
        dispatch({ kind: "failed", request });
      }
    }

    function show(text: string, isRest: boolean): void {
      const hasTextBelow = /\S/.test(state.context?.after ?? "");
      const drawn = hasRoomFor(field, text) ? ghost.draw(text, { hasTextBelow, isRest }) : "";
      if (drawn === "") ghost.hide();
      dispatch({ kind: "drawn", text: drawn });
    }

    /** A page may turn any field into one for secrets at any time; then it is left at once. */
    function isStillOurs(): boolean {
      if (fieldAt(deepest(document.activeElement))?.element !== field.element) return false;
      if (!isExcluded(field)) return true;
      leave();
      return false;
    }

    function edited(): void {
      if (isComposing || !isStillOurs()) return;
      const context = contextOf(field, pageStyle);
      dispatch(context === null ? { kind: "moved", context } : { kind: "edited", context });
    }

    function isStillThere(): boolean {
      const context = contextOf(field, pageStyle);
      return (
        context !== null &&
        context.before === state.context?.before &&
        context.after === state.context.after
      );
    }

    function onKey(event: KeyboardEvent): void {
      if (state.phase !== "offering" || !event.isTrusted || event.isComposing) return;
      if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key !== "Escape" && event.key !== "Tab") return;
      if (!isStillOurs()) return;
      // Keys are meant for what the person sees; the page gets those that are not for us.
      if (!ghost.isVisible() || !isStillThere()) {
        dispatch({ kind: "dismissed" });
        return;
      }
      take(event);
      dispatch({ kind: event.key === "Tab" ? "accepted" : "dismissed" });
    }

    /** Draws anew where the field is now, or not at all. */
    function redraw(): void {
      if (state.phase === "offering") show(state.ghost, true);
    }

    const listen = { capture: true, signal: here } as const;
    const root = field.element.getRootNode();
    root.addEventListener("input", (event) => event.isTrusted && edited(), listen);
    document.addEventListener(
      "selectionchange",
      () => {
        if (state.phase === "idle" || isComposing) return;
        // Typing moves the caret too; its input event may come second, and tells more.
        setTimeout(() => {
          if (!here.aborted) dispatch({ kind: "moved", context: contextOf(field, pageStyle) });
        }, 0);
      },
      listen,
    );
    field.element.addEventListener(
      "compositionstart",
      () => {
        isComposing = true;
        dispatch({ kind: "composing" });
      },
      listen,
    );
    field.element.addEventListener(
      "compositionend",
      () => {
        isComposing = false;
        edited();
      },
      listen,
    );
    window.addEventListener("keydown", onKey, listen);
    window.addEventListener("scroll", redraw, { ...listen, passive: true });
    window.addEventListener("resize", redraw, listen);
    // Ghost text takes the colour of the field, which the page may change with the scheme.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, listen);
    const resizes = new ResizeObserver(redraw);
    resizes.observe(field.element);
    here.addEventListener("abort", () => {
      dispatch({ kind: "left" });
      resizes.disconnect();
    });
  }

  removeLeftOvers(document, "completion");
  document.addEventListener("focusin", onFocus, listen);
  document.addEventListener("focusout", leave, listen);
  enter(deepest(document.activeElement));
}

function targetOf(event: Event): Element | null {
  const target = event.composedPath()[0];
  return target instanceof Element ? target : null;
}

/** Keeps a key from the page: it was meant for the ghost text. */
function take(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}
