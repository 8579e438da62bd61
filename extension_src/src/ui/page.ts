/** What the popup and the options page share: finding their nodes and speaking the person's language. */

import { translate } from "../host/page.ts";

/** The element of the page's own HTML with this id; a missing one is our bug. */
export function byId<T extends Element>(id: string, type: abstract new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`#${id}: expected a ${type.name} in ${location.pathname}`);
}

/** Fills the page's text from `_locales`, and tells its language and direction. */
export function localise(root: Document): void {
  root.documentElement.lang = translate("@@ui_locale").replaceAll("_", "-");
  root.documentElement.dir = translate("@@bidi_dir");
  for (const element of root.querySelectorAll<HTMLElement>("[data-i18n]")) {
    element.textContent = translate(element.dataset["i18n"] ?? "");
  }
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}
