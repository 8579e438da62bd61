// Made from extbuild/config/runtime.py by `inv generate`. Do not edit: a test compares the two.

/**
 * A packaged file: `file` is relative to the package root.
 */
export interface FileEntry {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * A shard: bytes `offset .. offset + bytes` of the model's weights.
 */
export interface ShardEntry {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Weights as files: `shards` in order, together `bytes` long, without hole or overlap.
 */
export interface WeightsBlob {
  readonly bytes: number;
  readonly shards: readonly ShardEntry[];
}

/**
 * A model as the engine runs it: a Program, and the weights in the engine's layout.
 */
export interface EngineModel {
  readonly program: FileEntry;
  readonly weights: WeightsBlob;
}

/**
 * A model as ONNX Runtime Web runs it: a graph whose weights are external data.
 *
 * `graph_f16` is the same model for GPUs that compute in float16; it points into the same
 * `weights`.
 */
export interface OrtModel {
  readonly graph: FileEntry;
  readonly graph_f16: FileEntry | null;
  readonly weights: WeightsBlob;
}

/**
 * Where a model's files are, and the hash that names all of them.
 *
 * `golden` holds inputs with the logits and decisions that a backend must give for them. At
 * least one of `engine` and `ort` is there.
 */
export interface ModelFiles {
  readonly sha256: string;
  readonly params: number;
  readonly tokenizer: FileEntry;
  readonly golden: FileEntry;
  readonly engine: EngineModel | null;
  readonly ort: OrtModel | null;
}

/**
 * Multi-label classifier: `labels[i]` is the name of logit `i`.
 *
 * A text is flagged when any label's probability reaches its threshold. `max_tokens` includes
 * the special tokens; `batch_tokens` caps texts x padded length of one run. `webgpu` says
 * whether a GPU is never used, used where it measures faster, or used wherever its results are
 * right.
 */
export interface ModerationRuntime {
  readonly files: ModelFiles;
  readonly webgpu: "never" | "measure" | "always";
  readonly labels: readonly string[];
  readonly thresholds: { readonly [key: string]: number };
  readonly max_tokens: number;
  readonly batch_tokens: number;
  readonly pad_id: number;
}

/**
 * Causal decoder: cache tensors have the shape (1, kv_heads, past, head_dim), float32.
 *
 * `context_tokens` caps prompt plus suggestion. A suggestion is shown when its probability, the
 * product over its tokens, is at least `min_confidence`. `webgpu` is as for moderation.
 */
export interface CompletionRuntime {
  readonly files: ModelFiles;
  readonly webgpu: "never" | "measure" | "always";
  readonly layers: number;
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly vocab_size: number;
  readonly bos_id: number;
  readonly eos_id: number;
  readonly context_tokens: number;
  readonly max_new_tokens: number;
  readonly max_words: number;
  readonly min_confidence: number;
}

/**
 * The models of this package; a feature without its model is not in the package.
 */
export interface Models {
  readonly moderation: ModerationRuntime | null;
  readonly completion: CompletionRuntime | null;
}

/**
 * One engine, compiled for what a browser may have.
 *
 * `simd` runs everywhere, `relaxed` needs relaxed SIMD, `threads` also shared memory; null
 * where the browser gives no shared memory to extensions.
 */
export interface EngineVariants {
  readonly simd: FileEntry;
  readonly relaxed: FileEntry;
  readonly threads: FileEntry | null;
}

/**
 * The whole of `runtime.json`.
 *
 * `engine` is null where no model runs on it. `ort` says which ONNX Runtime Web is in the
 * package: the one for CPUs alone, the one that also drives GPUs, or none. Models that nobody
 * asked for `idle_unload_seconds` are unloaded. `lying_backend` is for tests: the backend of
 * that name adds noise to its results, which the self-test has to notice.
 */
export interface Runtime {
  readonly format: 2;
  readonly name: string;
  readonly version: string;
  readonly models: Models;
  readonly engine: EngineVariants | null;
  readonly ort: "wasm" | "webgpu" | null;
  readonly idle_unload_seconds: number;
  readonly lying_backend: "engine-simd" | "engine-relaxed" | "engine-threads" | "ort-wasm" | "ort-webgpu" | null;
}
