"""The nouns of a build: what each stage takes and what it returns.

::

    SourceModel --compress--> CompressedModel --compile--> CompiledModel --shard--> ShardedModel
    ShardedModel, ... --bundle--> Bundle --package--> Package

All are frozen. A stage never edits what it was given: graphs are copied before they are changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import onnx_ir as ir

Task = Literal["moderation", "completion", "embedding"]
"""What a model is for. The extension has no use for an embedding yet, so no recipe packs one."""
TargetName = Literal["chrome", "firefox"]
Backend = Literal["engine", "onnxruntime-web"]
Variant = Literal["simd", "relaxed", "threads"]
"""The engine compiled for plain SIMD128, with relaxed SIMD, and that with shared memory too."""


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model as its author gave it, as an ONNX graph with its tokenizer.

    ``graph`` follows the input and output conventions of ARCHITECTURE.md (see "Graph conventions").
    ``config`` is the parsed config.json. ``params`` counts every stored weight once (tied weights
    once). ``source_bytes`` is the size of the weight files on disk.
    """

    name: str
    task: Task
    graph: ir.Model
    tokenizer_json: bytes
    config: Mapping[str, object]
    params: int
    source_bytes: int


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one compress pass did, checked by the runner and shown in report.json.

    ``changed`` counts rewritten nodes or tensors. ``max_abs_error`` is the largest absolute
    difference between a weight and its stored form, over all tensors the pass touched; ``None``
    for passes that store no weight differently.
    """

    name: str
    changed: int
    weight_bytes_before: int
    weight_bytes_after: int
    nodes_before: int
    nodes_after: int
    max_abs_error: float | None
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompressedModel:
    """A source model after its recipe's passes, with one report per pass, in order."""

    source: SourceModel
    graph: ir.Model
    reports: tuple[PassReport, ...]


@dataclass(frozen=True, slots=True)
class QualityMetric:
    """One metric before and after compression against its gate.

    ``gate`` is the worst value of ``after`` that passes, in the metric's own unit; ``None`` where
    the recipe sets no gate, and then only a figure that is not finite fails.
    """

    before: float
    after: float
    gate: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """A model for the engine: `program` and `weights` ship, `module` is the engine they ship with.

    `module` is the variant ``relaxed``, so that a compiled model can be run and judged as it ships.
    """

    program: bytes
    weights: bytes
    module: bytes


@dataclass(frozen=True, slots=True)
class OrtFiles:
    """A model for ONNX Runtime Web: a weightless graph file and one blob of weights.

    ``graph`` is a serialised ONNX file whose initialisers point into ``weights`` (external data,
    location ``weights.bin``, offsets aligned to 64 bytes). ``graph_f16`` computes in float16 from
    the same weights, for GPUs that can.
    """

    graph: bytes
    graph_f16: bytes | None
    weights: bytes


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """What the extension runs: files for the engine, for ONNX Runtime Web, or for both.

    ``operators`` counts the graph's nodes by ``domain::op_type``. ``golden`` is the file of inputs
    and results by which a backend is tested before it is trusted; empty for a model that is only
    measured. ``not_lowered`` says why the engine does not run the model.
    """

    name: str
    task: Task
    tokenizer_json: bytes
    operators: Mapping[str, int]
    engine: EngineFiles | None
    ort: OrtFiles | None
    golden: bytes
    not_lowered: str | None = None

    @property
    def backend(self) -> Backend:
        """What runs the model where no GPU does."""
        return "onnxruntime-web" if self.engine is None else "engine"

    @property
    def parts(self) -> Mapping[str, int]:
        """Bytes of what is packed, by kind, before the archive compresses it."""
        parts = {"tokenizer": len(self.tokenizer_json), "golden": len(self.golden)}
        graphs, weights = 0, 0
        if self.engine is not None:
            parts["program"] = len(self.engine.program)
            weights += len(self.engine.weights)
        if self.ort is not None:
            graphs += len(self.ort.graph) + len(self.ort.graph_f16 or b"")
            weights += len(self.ort.weights)
        return {**parts, **({"graph": graphs} if graphs else {}), "weights": weights}


@dataclass(frozen=True, slots=True)
class Shard:
    """One contiguous range of a blob of weights, stored as one file."""

    file: str
    offset: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardedBlob:
    """A blob of weights on disk: ``shards`` in order, together ``bytes`` long."""

    bytes: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class ShardedModel:
    """A compiled model on disk: ``directory`` holds its files; see shard/write.py for their names.

    ``engine`` and ``ort`` are the weights in either layout, None where the model has none.
    """

    name: str
    task: Task
    directory: Path
    engine: ShardedBlob | None
    ort: ShardedBlob | None
    packed_bytes: int
    sha256: str

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Every shard of the model."""
        return tuple(
            shard for blob in (self.engine, self.ort) if blob is not None for shard in blob.shards
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """An unpacked extension for one browser; ``files`` are its paths relative to ``directory``."""

    target: TargetName
    directory: Path
    files: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Package:
    """An installable archive for one browser."""

    target: TargetName
    file: Path
    bytes: int
    sha256: str
