/** Chrome's host page: invisible, without a service worker's short life. */

import { announceReady } from "#host";
import runtime from "#runtime";
import { serve } from "../host/serve.ts";

serve(runtime);
announceReady();
