/** The popup: what Sidelight does on the page in the active tab, and how its models are. */

import runtime from "#runtime";
import { translate } from "../../host/page.ts";
import { askPage, connect, loadSettings, watchSettings } from "../../protocol/endpoint.ts";
import { FEATURES, type PageMessages } from "../../protocol/messages.ts";
import { defaultSettings, type Settings } from "../../protocol/settings.ts";
import { changeSettings, withPause, withSite } from "../change.ts";
import { modelRows } from "../model-row.ts";
import { byId, localise } from "../page.ts";
import { rowOf, siteName } from "./view.ts";

type Description = PageMessages["page.describe"]["res"];

const EVERY_SITE = { origins: ["<all_urls>"] };

const life = new AbortController();
const defaults = defaultSettings(runtime);
const shown = FEATURES.filter((feature) => runtime.models[feature] !== null);
const switches = new Map(shown.map((feature) => [feature, byId(feature, HTMLInputElement)]));
const pause = byId("pause", HTMLButtonElement);
let page: Description | null = null;
let settings = defaults;

function render(): void {
  const { paused } = settings;
  byId("site", HTMLElement).textContent = siteName(page?.site ?? null, translate);
  byId("paused", HTMLElement).hidden = !paused;
  pause.textContent = translate(paused ? "popup_resume" : "popup_pause");
  for (const [feature, control] of switches) {
    const row = rowOf(feature, settings, page, translate);
    control.checked = row.isOn;
    control.disabled = row.isDisabled;
    byId(`${feature}-note`, HTMLElement).textContent = row.note;
  }
}

/** The tab that the popup is about: `?tab=` when it is opened as a page of its own. */
async function tabId(): Promise<number | null> {
  const asked = Number(new URLSearchParams(location.search).get("tab") ?? Number.NaN);
  if (Number.isInteger(asked)) return asked;
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  return tab?.id ?? null;
}

async function describe(): Promise<Description | null> {
  const id = await tabId();
  if (id === null) return null;
  try {
    return await askPage(id, "page.describe", {});
  } catch {
    return null; // a page of the browser, or one that was open before Sidelight was installed
  }
}

async function showPage(): Promise<void> {
  page = await describe();
  const isAllowed = await chrome.permissions.contains(EVERY_SITE);
  byId("permission", HTMLElement).hidden = isAllowed;
  byId("unreachable", HTMLElement).hidden = page !== null || !isAllowed;
  render();
}

function change(apply: (settings: Settings) => Settings): void {
  void changeSettings(defaults, apply).then((changed) => {
    settings = changed;
    render();
  });
}

for (const row of document.querySelectorAll<HTMLElement>("[data-feature]")) {
  row.hidden = !shown.some((feature) => feature === row.dataset["feature"]);
}
for (const [feature, control] of switches) {
  control.addEventListener("change", () => {
    const site = page?.site;
    if (site !== undefined) change((now) => withSite(now, feature, site, control.checked));
  });
}
pause.addEventListener("click", () => change((now) => withPause(now, !now.paused)));
byId("settings", HTMLButtonElement).addEventListener("click", () => {
  void chrome.runtime.openOptionsPage();
});
byId("allow", HTMLButtonElement).addEventListener("click", () => {
  void chrome.permissions.request(EVERY_SITE).then(showPage);
});

localise(document);
const renderModels = modelRows(byId("models", HTMLElement), { shown, translate, hasDetails: false });
renderModels(null);
connect({ client: "popup", signal: life.signal }).onStatus((status) => {
  renderModels(status);
  // What is hidden changes while a model works on the page.
  void describe().then((described) => {
    page = described ?? page;
    render();
  });
}, life.signal);
watchSettings(
  defaults,
  (changed) => {
    settings = changed;
    render();
  },
  life.signal,
);
void loadSettings(defaults).then((stored) => {
  settings = stored;
  return showPage();
});
