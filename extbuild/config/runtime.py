"""The values that the installed extension reads: ``runtime.json``, and the types generated from it.

The extension restates nothing of this: no shape, name, limit or threshold. Sizes are in bytes,
lengths in tokens, probabilities in 0..1.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that cannot change and refuses keys it does not know, and numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileEntry(Frozen):
    """A packaged file: ``file`` is relative to the package root."""

    file: str
    bytes: int
    sha256: str


class ShardEntry(Frozen):
    """A shard: bytes ``offset .. offset + bytes`` of the model's weights."""

    file: str
    offset: int
    bytes: int
    sha256: str


class ModelFiles(Frozen):
    """Where a model's graph, tokenizer and weights are, and the hash that names all of them."""

    sha256: str
    params: int
    graph: FileEntry
    tokenizer: FileEntry
    weights_bytes: int
    shards: tuple[ShardEntry, ...]


class ModerationRuntime(Frozen):
    """Multi-label classifier: ``labels[i]`` is the name of logit ``i``.

    A text is flagged when any label's probability reaches its threshold. ``max_tokens`` includes
    the special tokens; ``batch_tokens`` caps texts x padded length of one run.
    """

    files: ModelFiles
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    max_tokens: int
    batch_tokens: int
    pad_id: int


class CompletionRuntime(Frozen):
    """Causal decoder: cache tensors have the shape (1, kv_heads, past, head_dim), float32.

    ``context_tokens`` caps prompt plus suggestion. A suggestion is shown when its probability, the
    product over its tokens, is at least ``min_confidence``.
    """

    files: ModelFiles
    layers: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    bos_id: int
    eos_id: int
    context_tokens: int
    max_new_tokens: int
    max_words: int
    min_confidence: float


class Models(Frozen):
    """The models of this package; a feature without its model is not in the package."""

    moderation: ModerationRuntime | None
    completion: CompletionRuntime | None


class Runtime(Frozen):
    """The whole of ``runtime.json``."""

    format: Literal[1] = 1
    name: str
    version: str
    models: Models
