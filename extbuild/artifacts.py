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

Task = Literal["moderation", "completion"]
TargetName = Literal["chrome", "firefox"]


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
class CompiledModel:
    """What the extension runs: a weightless graph file and one blob of weights.

    ``graph`` is a serialised ONNX file whose initialisers point into ``weights`` (external data,
    location ``weights.bin``, offsets aligned to 64 bytes). ``operators`` counts nodes by
    ``domain::op_type``.
    """

    name: str
    task: Task
    graph: bytes
    weights: bytes
    tokenizer_json: bytes
    operators: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Shard:
    """One contiguous range of a model's weights blob, stored as one file."""

    file: str
    offset: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardedModel:
    """A compiled model on disk: ``directory`` holds graph.onnx, tokenizer.json and the shards."""

    name: str
    task: Task
    directory: Path
    shards: tuple[Shard, ...]
    weights_bytes: int
    packed_bytes: int
    sha256: str


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
