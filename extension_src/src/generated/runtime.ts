// placeholder: generated from extbuild/config/runtime.py by `inv generate`
export interface FileEntry { readonly file: string; readonly bytes: number; readonly sha256: string }
export interface ShardEntry { readonly file: string; readonly offset: number; readonly bytes: number; readonly sha256: string }
export interface ModelFiles { readonly sha256: string; readonly params: number; readonly graph: FileEntry; readonly tokenizer: FileEntry; readonly weights_bytes: number; readonly shards: readonly ShardEntry[] }
export interface ModerationRuntime { readonly files: ModelFiles; readonly labels: readonly string[]; readonly thresholds: { readonly [key: string]: number }; readonly max_tokens: number; readonly batch_tokens: number; readonly pad_id: number }
export interface CompletionRuntime { readonly files: ModelFiles; readonly layers: number; readonly kv_heads: number; readonly head_dim: number; readonly vocab_size: number; readonly bos_id: number; readonly eos_id: number; readonly context_tokens: number; readonly max_new_tokens: number; readonly max_words: number; readonly min_confidence: number }
export interface Models { readonly moderation: ModerationRuntime | null; readonly completion: CompletionRuntime | null }
export interface Runtime { readonly format: 1; readonly name: string; readonly version: string; readonly models: Models }
