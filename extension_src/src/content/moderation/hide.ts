/**
 * Hides an element without moving anything: style properties and aria-hidden on the element itself,
 * never its nodes, which belong to the page's framework.
 *
 * `visibility` takes it from the eye, the pointer, the keyboard and the accessibility tree while its
 * place stays; `opacity` covers descendants that set `visibility: visible`, and aria-hidden does for
 * screen readers; without `transition` it happens at once.
 */

const HIDING: ReadonlyMap<string, string> = new Map([
  ["visibility", "hidden"],
  ["opacity", "0"],
  ["transition", "none"],
]);

export interface Hidden {
  /** Hides again what a page's script has shown by rewriting the attributes. */
  reapply(): void;
  /** Puts the element's attributes back as the page last wanted them. */
  restore(): void;
}

interface Declaration {
  readonly value: string;
  readonly priority: string;
}

export type Styled = Element & ElementCSSInlineStyle;

export function isStyled(element: Element): element is Styled {
  return "style" in element;
}

/**
 * Shows an element that an earlier life of this script left hidden: Firefox ends a script without a
 * word when the extension is updated, and starts the new one in the same page.
 */
export function showLeftOver(element: Styled): void {
  const { style } = element;
  const isLeftOver =
    element.getAttribute("aria-hidden") === "true" &&
    [...HIDING].every(
      ([property, hiding]) =>
        style.getPropertyValue(property) === hiding &&
        style.getPropertyPriority(property) === "important",
    );
  if (!isLeftOver) return;
  for (const property of HIDING.keys()) style.removeProperty(property);
  if (element.getAttribute("style") === "") element.removeAttribute("style");
  element.removeAttribute("aria-hidden");
}

export function hide(element: Styled): Hidden {
  const { style } = element;
  const wished = new Map<string, Declaration>();
  let hadStyle = element.hasAttribute("style");
  let ariaHidden: string | null = null;
  let active = true;

  function isOurs(property: string): boolean {
    return (
      style.getPropertyValue(property) === HIDING.get(property) &&
      style.getPropertyPriority(property) === "important"
    );
  }

  function apply(isFirst: boolean): void {
    for (const [property, hiding] of HIDING) {
      if (!isFirst && isOurs(property)) continue;
      wished.set(property, {
        value: style.getPropertyValue(property),
        priority: style.getPropertyPriority(property),
      });
      style.setProperty(property, hiding, "important");
    }
    if (!isFirst && element.getAttribute("aria-hidden") === "true") return;
    ariaHidden = element.getAttribute("aria-hidden");
    element.setAttribute("aria-hidden", "true");
  }

  apply(true);
  return {
    reapply: () => {
      if (!active) return;
      // A page that took the whole attribute away does not want one back.
      if (![...HIDING.keys()].some(isOurs)) hadStyle = element.hasAttribute("style");
      apply(false);
    },
    restore: () => {
      if (!active) return;
      active = false;
      for (const [property, { value, priority }] of wished) {
        if (!isOurs(property)) continue;
        if (value === "") style.removeProperty(property);
        else style.setProperty(property, value, priority);
      }
      // Read, not `style.length`: Chrome writes a changed attribute late, over its removal.
      if (!hadStyle && element.getAttribute("style") === "") element.removeAttribute("style");
      if (element.getAttribute("aria-hidden") !== "true") return;
      if (ariaHidden === null) element.removeAttribute("aria-hidden");
      else element.setAttribute("aria-hidden", ariaHidden);
    },
  };
}
