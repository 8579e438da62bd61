/** A labelled slider with its value in words, marks at both ends and a tick at the default. */

import { make } from "../page.ts";
import { MAX_PERCENT, MIN_PERCENT, share } from "./thresholds.ts";

export interface SliderOptions {
  readonly id: string;
  readonly label: string;
  /** Position of the default, in percent of the slider's own scale, like all values here. */
  readonly standard: number;
  readonly ends: readonly [string, string];
  readonly shown: (value: number) => string;
  readonly spoken: (value: number) => string;
  /** The person let go at a new value. */
  readonly onChange: (value: number) => void;
}

export interface Slider {
  readonly element: HTMLElement;
  set(value: number): void;
}

export function createSlider(options: SliderOptions): Slider {
  const label = make("label", "", options.label);
  label.htmlFor = options.id;
  const output = make("output", "");
  output.htmlFor.add(options.id);
  const input = make("input", "");
  input.id = options.id;
  input.type = "range";
  input.min = String(MIN_PERCENT);
  input.max = String(MAX_PERCENT);
  input.step = "1";
  const track = make("div", "track", input);
  track.style.setProperty("--default", String(share(options.standard)));
  const [start, end] = options.ends.map((word) => {
    const mark = make("span", "", word);
    mark.setAttribute("aria-hidden", "true"); // the value is spoken in words already
    return mark;
  });
  const scale = make("div", "scale", start ?? "", track, end ?? "");

  function show(): void {
    const value = input.valueAsNumber;
    // The thumb's middle is 10 px from either end of the track.
    const filled = share(value);
    track.style.setProperty("--filled", `calc(10px + (100% - 20px) * ${filled})`);
    output.textContent = options.shown(value);
    input.setAttribute("aria-valuetext", options.spoken(value));
  }

  input.addEventListener("input", show);
  input.addEventListener("change", () => options.onChange(input.valueAsNumber));
  return {
    element: make("div", "slider", label, output, scale),
    set: (value) => {
      input.value = String(value);
      show();
    },
  };
}
