/**
 * Chrome's host page: invisible, without a service worker's short life. It stays when its worker is
 * unloaded: the ports of open pages end here, and would be lost with it.
 */

import { announceReady } from "#host";
import runtime from "#runtime";
import { serve } from "../host/serve.ts";

// One worker: here it has threads, and they share the one copy of the model.
serve(runtime, { size: 1 });
announceReady();
