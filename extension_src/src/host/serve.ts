/** The host page: router and workers behind the browser's ports. Both browsers run exactly this. */

import type { Runtime } from "../generated/runtime.ts";
import type { FromHost } from "../protocol/messages.ts";
import type { Port } from "../protocol/port.ts";
import type { FromWorker } from "../protocol/worker_port.ts";
import { systemClock } from "../router/clock.ts";
import { idleModels } from "../router/idle_models.ts";
import { Router, type RouterOptions } from "../router/router.ts";
import type { WorkerLink } from "../router/seat.ts";
import { roleOf } from "../router/sender.ts";

export type ServeOptions = Pick<RouterOptions, "size" | "onBusy">;

/** Serves every port that is opened from now on. Must be called before the first task ends. */
export function serve(runtime: Runtime, options: ServeOptions): void {
  const router = new Router({
    ...options,
    spawn: spawnWorker,
    idleUnloadMs: runtime.idle_unload_seconds * 1000,
    clock: systemClock,
    models: idleModels(runtime),
  });
  const self = { id: chrome.runtime.id, origin: chrome.runtime.getURL("") };
  chrome.runtime.onConnect.addListener((port) => {
    const role = roleOf(port.sender, self);
    if (role === null) port.disconnect();
    else router.accept(clientPort(port), role);
  });
}

function clientPort(port: chrome.runtime.Port): Port<unknown, FromHost> {
  let open = true;
  port.onDisconnect.addListener(() => {
    open = false;
    void chrome.runtime.lastError; // a page that goes away is no error
  });
  return {
    post: (message) => {
      if (open) port.postMessage(message);
    },
    onMessage: (listener) => port.onMessage.addListener(listener),
    onClose: (listener) => port.onDisconnect.addListener(listener),
    close: () => port.disconnect(),
  };
}

function spawnWorker(): WorkerLink {
  const worker = new Worker("/worker.js", { type: "module", name: "engine" });
  let crashed = false;
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => {
      worker.onmessage = (event: MessageEvent<FromWorker>) => listener(event.data);
    },
    onCrash: (listener) => {
      const crash = (reason: string): void => {
        if (crashed) return;
        crashed = true;
        listener(reason);
      };
      worker.onerror = (event) => crash(event.message || "its script could not be run");
      worker.onmessageerror = () => crash("it sent what cannot be read");
    },
    terminate: () => worker.terminate(),
  };
}
