"""The values that the installed extension reads: ``runtime.json``, and the types generated from it.

The extension restates nothing of this: no shape, name, limit or threshold. Sizes are in bytes,
lengths in tokens, probabilities in 0..1.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

WebGpu = Literal["never", "measure", "always"]
OrtFlavour = Literal["wasm", "webgpu"]
BackendName = Literal["engine-simd", "engine-relaxed", "engine-threads", "ort-wasm", "ort-webgpu"]


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


class WeightsBlob(Frozen):
    """Weights as files: ``shards`` in order, together ``bytes`` long, without hole or overlap."""

    bytes: int
    shards: tuple[ShardEntry, ...]


class EngineModel(Frozen):
    """A model as the engine runs it: a Program, and the weights in the engine's layout."""

    program: FileEntry
    weights: WeightsBlob


class OrtModel(Frozen):
    """A model as ONNX Runtime Web runs it: a graph whose weights are external data.

    ``graph_f16`` is the same model for GPUs that compute in float16; it points into the same
    ``weights``.
    """

    graph: FileEntry
    graph_f16: FileEntry | None
    weights: WeightsBlob


class ModelFiles(Frozen):
    """Where a model's files are, and the hash that names all of them.

    ``golden`` holds inputs with the logits and decisions that a backend must give for them. At
    least one of ``engine`` and ``ort`` is there.
    """

    sha256: str
    params: int
    tokenizer: FileEntry
    golden: FileEntry
    engine: EngineModel | None
    ort: OrtModel | None


class ModerationRuntime(Frozen):
    """Multi-label classifier: ``labels[i]`` is the name of logit ``i``.

    A text is flagged when any label's probability reaches its threshold. ``max_tokens`` includes
    the special tokens; ``batch_tokens`` caps texts x padded length of one run. ``webgpu`` says
    whether a GPU is never used, used where it measures faster, or used wherever its results are
    right.
    """

    files: ModelFiles
    webgpu: WebGpu
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    max_tokens: int
    batch_tokens: int
    pad_id: int


class CompletionRuntime(Frozen):
    """Causal decoder: cache tensors have the shape (1, kv_heads, past, head_dim), float32.

    ``context_tokens`` caps prompt plus suggestion. A suggestion is shown when its probability, the
    product over its tokens, is at least ``min_confidence``. ``webgpu`` is as for moderation.
    """

    files: ModelFiles
    webgpu: WebGpu
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


class EngineVariants(Frozen):
    """One engine, compiled for what a browser may have.

    ``simd`` runs everywhere, ``relaxed`` needs relaxed SIMD, ``threads`` also shared memory; null
    where the browser gives no shared memory to extensions.
    """

    simd: FileEntry
    relaxed: FileEntry
    threads: FileEntry | None


class Runtime(Frozen):
    """The whole of ``runtime.json``.

    ``engine`` is null where no model runs on it. ``ort`` says which ONNX Runtime Web is in the
    package: the one for CPUs alone, the one that also drives GPUs, or none. Models that nobody
    asked for ``idle_unload_seconds`` are unloaded. ``lying_backend`` is for tests: the backend of
    that name adds noise to its results, which the self-test has to notice.
    """

    format: Literal[2] = 2
    name: str
    version: str
    models: Models
    engine: EngineVariants | None
    ort: OrtFlavour | None
    idle_unload_seconds: int
    lying_backend: BackendName | None
