/** The options page: how strict, how talkative, where not, and how the engine is doing. */

import runtime from "#runtime";
import { translate } from "../../host/page.ts";
import { labelName } from "../../lib/labels.ts";
import { connect, loadSettings, watchSettings } from "../../protocol/endpoint.ts";
import { FEATURES } from "../../protocol/messages.ts";
import { defaultSettings, type Settings } from "../../protocol/settings.ts";
import { changeSettings, sitesOff, withEverywhere, withSite } from "../change.ts";
import { modelRows } from "../model-row.ts";
import { byId, localise, make } from "../page.ts";
import { laneRows, workersLine } from "./engine.ts";
import { presetOf, PRESETS, presetThresholds } from "./presets.ts";
import { renderSites } from "./sites.ts";
import { createSlider } from "./slider.ts";
import { percent, strictness, thresholdOf } from "./thresholds.ts";

/** How long a confirmation stays, ms. */
const STATUS_MS = 2400;

const life = new AbortController();
const defaults = defaultSettings(runtime);
const shown = FEATURES.filter((feature) => runtime.models[feature] !== null);
const status = byId("status", HTMLElement);
let statusTimer: ReturnType<typeof setTimeout> | undefined;

function say(text: string): void {
  clearTimeout(statusTimer);
  status.textContent = text;
  statusTimer = setTimeout(() => {
    status.textContent = "";
  }, STATUS_MS);
}

function change(apply: (settings: Settings) => Settings, said = translate("options_saved")): void {
  void changeSettings(defaults, apply).then((changed) => {
    render(changed);
    say(said);
  });
}

function withThreshold(settings: Settings, label: string, threshold: number): Settings {
  return { ...settings, thresholds: { ...settings.thresholds, [label]: threshold } };
}

localise(document);
for (const feature of FEATURES) {
  byId(`${feature}-card`, HTMLElement).hidden = !shown.includes(feature);
  byId(feature, HTMLInputElement).addEventListener("change", (event) => {
    const { checked } = event.currentTarget as HTMLInputElement;
    change((now) => withEverywhere(now, feature, checked));
  });
}

const presets = PRESETS.map((preset) => {
  const input = make("input", "");
  input.type = "radio";
  input.name = "preset";
  input.addEventListener("change", () => {
    change((now) => ({ ...now, thresholds: presetThresholds(preset, defaults.thresholds) }));
  });
  const words = make(
    "span",
    "",
    make("strong", "", translate(`preset_${preset}`)),
    make("span", "soft", translate(`preset_${preset}_note`)),
  );
  byId("presets", HTMLElement).append(make("label", "preset", input, words));
  return { preset, input };
});

const labels = Object.entries(defaults.thresholds).map(([label, threshold]) => {
  const words = (value: number): string => String(percent(thresholdOf(value)));
  const slider = createSlider({
    id: `threshold-${label}`,
    label: labelName(label, translate),
    standard: strictness(threshold),
    ends: [translate("scale_mild"), translate("scale_strict")],
    shown: (value) => translate("options_from", words(value)),
    spoken: (value) => translate("options_from_spoken", words(value)),
    onChange: (value) => change((now) => withThreshold(now, label, thresholdOf(value))),
  });
  byId("labels", HTMLElement).append(slider.element);
  return { label, slider };
});

const confidence = createSlider({
  id: "min-confidence",
  label: translate("options_confidence"),
  standard: percent(defaults.completion.minConfidence),
  ends: [translate("scale_often"), translate("scale_seldom")],
  shown: (value) => translate("options_percent", String(value)),
  spoken: (value) => translate("options_percent", String(value)),
  onChange: (value) =>
    change((now) => ({ ...now, completion: { ...now.completion, minConfidence: value / 100 } })),
});
byId("confidence", HTMLElement).append(confidence.element);

const maxWords = byId("max-words", HTMLInputElement);
maxWords.addEventListener("change", () => {
  const words = maxWords.valueAsNumber;
  if (!maxWords.checkValidity() || !Number.isInteger(words)) {
    maxWords.reportValidity();
    return;
  }
  change((now) => ({ ...now, completion: { ...now.completion, maxWords: words } }));
});

function removeSite(site: string): void {
  const name = site === "" ? translate("popup_local_file") : site;
  change(
    (now) => FEATURES.reduce((all, feature) => withSite(all, feature, site, true), now),
    translate("options_site_removed", name),
  );
  byId("sites-title", HTMLElement).focus();
}

function render(settings: Settings): void {
  for (const feature of FEATURES) {
    byId(feature, HTMLInputElement).checked = settings.enabled[feature];
  }
  const chosen = presetOf(settings.thresholds, defaults.thresholds);
  for (const { preset, input } of presets) input.checked = preset === chosen;
  byId("custom", HTMLElement).hidden = chosen !== null;
  for (const { label, slider } of labels) slider.set(strictness(settings.thresholds[label] ?? 1));
  confidence.set(percent(settings.completion.minConfidence));
  maxWords.value = String(settings.completion.maxWords);
  renderSites(byId("sites", HTMLElement), settings, translate, removeSite);
  byId("no-sites", HTMLElement).hidden = sitesOff(settings).length > 0;
}

byId("reset", HTMLButtonElement).addEventListener("click", () => {
  change(() => defaults, translate("options_reset_done"));
});
byId("version", HTMLElement).textContent = translate("options_version", runtime.version);

const renderModels = modelRows(byId("models", HTMLElement), { shown, translate, hasDetails: true });
const renderLanes = laneRows(byId("lanes", HTMLElement), translate);
const renderWorkers = workersLine(byId("workers", HTMLElement), translate);
renderModels(null);
renderLanes(null);
renderWorkers(null);
render(defaults);
connect({ client: "options", signal: life.signal }).onStatus((now) => {
  renderModels(now);
  renderLanes(now);
  renderWorkers(now);
}, life.signal);
watchSettings(defaults, render, life.signal);
void loadSettings(defaults).then(render);
