/** `#ort` in packages with the flavour of ONNX Runtime Web that drives GPUs, and CPUs as well. */

import * as ort from "onnxruntime-web/webgpu";

import type { OrtBackends } from "../candidates.ts";
import type { Gpu, GpuDevice } from "./gpu.ts";
import { gpuBackend } from "./gpu_backend.ts";
import { OrtLibrary, ortWasm } from "./ort_library.ts";

/** `folder`: address of the folder with onnxruntime's own files, with its last slash. */
export function ortBackends(folder: string): OrtBackends {
  const library = new OrtLibrary(ort, folder);
  const { gpu } = navigator as { readonly gpu?: Gpu };
  const device = async (): Promise<GpuDevice> => (await ort.env.webgpu.device) as GpuDevice;
  return { ortWasm: [ortWasm(library)], ortWebgpu: [gpuBackend({ library, gpu, device })] };
}
