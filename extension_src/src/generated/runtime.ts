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
 * Where a model's graph, tokenizer and weights are, and the hash that names all of them.
 */
export interface ModelFiles {
  readonly sha256: string;
  readonly params: number;
  readonly graph: FileEntry;
  readonly tokenizer: FileEntry;
  readonly weights_bytes: number;
  readonly shards: readonly ShardEntry[];
}

/**
 * Multi-label classifier: `labels[i]` is the name of logit `i`.
 *
 * A text is flagged when any label's probability reaches its threshold. `max_tokens` includes
 * the special tokens; `batch_tokens` caps texts x padded length of one run.
 */
export interface ModerationRuntime {
  readonly files: ModelFiles;
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
 * product over its tokens, is at least `min_confidence`.
 */
export interface CompletionRuntime {
  readonly files: ModelFiles;
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
 * The whole of `runtime.json`.
 */
export interface Runtime {
  readonly format: 1;
  readonly name: string;
  readonly version: string;
  readonly models: Models;
}
