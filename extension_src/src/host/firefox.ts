/**
 * Firefox: the engine lives in the event page itself, there being no offscreen documents.
 *
 * The browser ends an event page after 30 s without an extension event or API call, whatever its
 * workers are doing, so that calls in flight keep it awake with a call of their own. An idle engine
 * is let go: its memory comes back, and the next call loads it again.
 *
 * Extensions have no shared memory here, so that a worker has one thread; where there are cores to
 * spare, several workers share the texts.
 *
 * host/chrome.ts has the same exports; the build picks one of the two as `#host`.
 */

import type { Runtime } from "../generated/runtime.ts";
import type { Host } from "./host.ts";
import { poolSize } from "./pool_size.ts";
import { serve } from "./serve.ts";

const AWAKE_EVERY_MS = 10_000;

export function createHost(runtime: Runtime): Host {
  let timer: ReturnType<typeof setInterval> | undefined;
  serve(runtime, {
    size: poolSize(navigator.hardwareConcurrency),
    onBusy: (busy) => {
      clearInterval(timer);
      if (busy) timer = setInterval(() => void chrome.runtime.getPlatformInfo(), AWAKE_EVERY_MS);
    },
  });
  return { ensure: () => Promise.resolve() };
}

/** There is no second page to announce itself; the exports are the same in both browsers. */
export function announceReady(): void {}
