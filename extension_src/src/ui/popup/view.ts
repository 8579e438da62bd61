/** What the popup says, from the settings and what the page told. Pure. */

import type { Translate } from "../../lib/labels.ts";
import type { Feature, PageMessages } from "../../protocol/messages.ts";
import { isOn, type Settings } from "../../protocol/settings.ts";

type Description = PageMessages["page.describe"]["res"];

export interface Row {
  readonly isOn: boolean;
  /** Whether there is nothing to switch: no page, or off everywhere. */
  readonly isDisabled: boolean;
  readonly note: string;
}

/** `page` is null when no script of ours answers in the tab. */
export function rowOf(
  feature: Feature,
  settings: Settings,
  page: Description | null,
  translate: Translate,
): Row {
  if (settings.paused || !settings.enabled[feature]) {
    return { isOn: false, isDisabled: true, note: translate("popup_off_everywhere") };
  }
  if (page === null) return { isOn: true, isDisabled: true, note: "" };
  if (!isOn(settings, feature, page.site)) {
    return { isOn: false, isDisabled: false, note: translate("popup_off_here") };
  }
  const note = feature === "moderation" ? veiled(page.veiled, translate) : translate("popup_keys");
  return { isOn: true, isDisabled: false, note };
}

function veiled(count: number, translate: Translate): string {
  if (count === 0) return translate("popup_veiled_none");
  return count === 1 ? translate("popup_veiled_one") : translate("popup_veiled_many", String(count));
}

export function siteName(site: string | null, translate: Translate): string {
  if (site === null) return translate("popup_no_site");
  return site === "" ? translate("popup_local_file") : site;
}
