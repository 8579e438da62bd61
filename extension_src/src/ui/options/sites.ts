/** The list of sites where something is off. */

import type { Translate } from "../../lib/labels.ts";
import type { Settings } from "../../protocol/settings.ts";
import { sitesOff } from "../change.ts";
import { make } from "../page.ts";

export function renderSites(
  list: HTMLElement,
  settings: Settings,
  translate: Translate,
  onRemove: (site: string) => void,
): void {
  list.replaceChildren(
    ...sitesOff(settings).map(({ site, features }) => {
      const name = site === "" ? translate("popup_local_file") : site;
      const what = features.map((feature) => translate(`feature_${feature}`)).join(", ");
      const remove = make("button", "button quiet", translate("options_site_remove"));
      remove.type = "button";
      remove.setAttribute("aria-label", translate("options_site_remove_named", name));
      remove.addEventListener("click", () => onRemove(site));
      return make("li", "", make("span", "site", name), make("span", "soft", what), remove);
    }),
  );
}
