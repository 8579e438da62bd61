/** The host page: router and worker behind the browser's ports. Both browsers run exactly this. */

import type { Runtime } from "../generated/runtime.ts";
import type { FromHost } from "../protocol/messages.ts";
import type { Port } from "../protocol/port.ts";
import type { FromWorker } from "../protocol/worker_port.ts";
import { idleStatus } from "../router/idle_status.ts";
import { Router, type WorkerLink } from "../router/router.ts";
import { roleOf } from "../router/sender.ts";

/** Serves every port that is opened from now on. Must be called before the first task ends. */
export function serve(runtime: Runtime, onBusy?: (busy: boolean) => void): void {
  const router = new Router({
    spawn: spawnWorker,
    idleStatus: idleStatus(runtime),
    ...(onBusy === undefined ? {} : { onBusy }),
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
