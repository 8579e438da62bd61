/** `#runtime` is the runtime.json of the package being built (an esbuild alias). */
declare module "#runtime" {
  import type { Runtime } from "./runtime.ts";
  const runtime: Runtime;
  export default runtime;
}
