/** Which backends may run a model, which of them compete, and which come later. */

import type { ModelFiles, ModerationRuntime } from "../generated/runtime.ts";
import type { Backend } from "./backends/backend.ts";

/** What `#ort` gives: nothing, or the flavour of ONNX Runtime Web that the package holds. */
export interface OrtBackends {
  readonly ortWasm: readonly Backend[];
  readonly ortWebgpu: readonly Backend[];
}

/** What package and browser have, the one to prefer first. */
export interface Available extends OrtBackends {
  readonly engine: readonly Backend[];
}

/** A model's part of runtime.json that decides. */
export interface Wanting {
  readonly files: ModelFiles;
  readonly webgpu: ModerationRuntime["webgpu"];
}

/** For one model; see LoadOptions. */
export interface Candidates {
  readonly groups: readonly (readonly Backend[])[];
  readonly challengers: readonly Backend[];
}

/**
 * The engine, and ONNX Runtime Web on WebAssembly for what does not run on it. Plain SIMD is for
 * where relaxed SIMD cannot be had or trusted: it was half as fast where both were measured, which
 * at each first start would cost more than it could gain. A GPU, if the model's recipe wants one,
 * challenges whichever of them was chosen: it takes seconds to get ready. Where nobody was, it is
 * the last hope.
 */
export function candidates({ files, webgpu }: Wanting, available: Available): Candidates {
  const able = (backends: readonly Backend[]): readonly Backend[] =>
    backends.filter((backend) => backend.packed(files).length > 0);
  const challengers = webgpu === "never" ? [] : able(available.ortWebgpu);
  const engine = able(available.engine);
  const plain = engine.filter(({ id }) => id === "engine-simd");
  const faster = engine.filter((backend) => !plain.includes(backend));
  return { groups: [faster, plain, able(available.ortWasm), challengers], challengers };
}
