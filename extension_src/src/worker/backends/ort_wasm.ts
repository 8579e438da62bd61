/** `#ort` in packages with the flavour of ONNX Runtime Web for CPUs alone. */

import * as ort from "onnxruntime-web/wasm";

import type { OrtBackends } from "../candidates.ts";
import { OrtLibrary, ortWasm } from "./ort_library.ts";

/** `folder`: address of the folder with onnxruntime's own files, with its last slash. */
export function ortBackends(folder: string): OrtBackends {
  return { ortWasm: [ortWasm(new OrtLibrary(ort, folder))], ortWebgpu: [] };
}
