/** What content scripts and UI pages ask of the browser beyond messages and storage. */

/** A string of `_locales` in the browser's language; `$1`, `$2` … stand for the substitutions. */
export function translate(key: string, ...substitutions: readonly string[]): string {
  return chrome.i18n.getMessage(key, [...substitutions]) || key;
}

/** Whether this script runs in a private (incognito) window. */
export function inPrivateWindow(): boolean {
  return chrome.extension.inIncognitoContext;
}

interface FirefoxElement extends Element {
  readonly openOrClosedShadowRoot?: ShadowRoot | null;
}

/** The shadow root of an element, closed ones too; null if it has none. */
export function shadowRootOf(element: Element): ShadowRoot | null {
  if (element.shadowRoot !== null) return element.shadowRoot;
  const root = (element as FirefoxElement).openOrClosedShadowRoot;
  if (root !== undefined) return root;
  // Chrome has the namespace in content scripts only, and refuses what is not an HTMLElement.
  if (!(element instanceof HTMLElement)) return null;
  return (chrome.dom as typeof chrome.dom | undefined)?.openOrClosedShadowRoot(element) ?? null;
}
