/** `#ort` in packages whose models all run on the engine: no byte of ONNX Runtime Web. */

import type { OrtBackends } from "../candidates.ts";

export function ortBackends(_folder: string): OrtBackends {
  return { ortWasm: [], ortWebgpu: [] };
}
