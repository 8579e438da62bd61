"""A build as a value, and ``dist/report.json``."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

from extbuild.artifacts import (
    Backend,
    PassReport,
    QualityMetric,
    Shard,
    TargetName,
    Task,
    Variant,
)
from extbuild.progress import StageTime


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model. `parts` are bytes of its files as they are packed, by kind.

    `operations` and `arena_bytes` describe its Program, None where there is none: `not_lowered`
    says why. `golden_max_error` is by variant of the engine, in units of the logits' spread.
    """

    name: str
    task: Task
    params: int
    source_bytes: int
    packed_bytes: int
    budget_bytes: int
    sha256: str
    parts: Mapping[str, int]
    operators: Mapping[str, int]
    shards: tuple[Shard, ...]
    passes: tuple[PassReport, ...]
    quality: Mapping[str, QualityMetric]
    backend: Backend
    not_lowered: str | None
    operations: int | None
    arena_bytes: int | None
    golden_cases: int
    golden_tolerance: float
    golden_max_error: Mapping[Variant, float]


@dataclass(frozen=True, slots=True)
class PackageReport:
    """One archive. `file` is relative to dist/; `parts` are compressed bytes by kind of content.

    `permissions` maps each permission to its reason.
    """

    target: TargetName
    file: str
    bytes: int
    sha256: str
    unpacked_bytes: int
    parts: Mapping[str, int]
    permissions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """A whole build. `tools` maps what shaped the bytes (compressor, esbuild) to its version."""

    name: str
    version: str
    models: tuple[ModelReport, ...]
    packages: tuple[PackageReport, ...]
    stages: tuple[StageTime, ...]
    tools: Mapping[str, str]


def report_json(report: BuildReport) -> str:
    """The text of report.json.

    The keys version, models, packages and stages are a promise to programs that read it; others
    may be added. ``bytes`` are of files as they are, ``seconds`` of wall clock.
    """
    value = {
        "name": report.name,
        "version": report.version,
        "models": {model.name: _model(model) for model in report.models},
        "packages": {
            package.target: {
                key: getattr(package, key)
                for key in ("file", "bytes", "sha256", "unpacked_bytes", "parts", "permissions")
            }
            for package in report.packages
        },
        "stages": [dataclasses.asdict(stage) for stage in report.stages],
        "tools": report.tools,
    }
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _model(model: ModelReport) -> dict[str, object]:
    return {
        "task": model.task,
        "params": model.params,
        "source_bytes": model.source_bytes,
        "packed_bytes": model.packed_bytes,
        "budget_bytes": model.budget_bytes,
        "sha256": model.sha256,
        "parts": model.parts,
        "operators": model.operators,
        "backend": model.backend,
        "not_lowered": model.not_lowered,
        "program": _program(model),
        "golden": {
            "cases": model.golden_cases,
            "tolerance": model.golden_tolerance,
            "max_error": model.golden_max_error,
        },
        "shards": [dataclasses.asdict(shard) for shard in model.shards],
        "passes": [dataclasses.asdict(report) for report in model.passes],
        "quality": {
            metric: {
                "before": figure.before,
                "after": figure.after,
                "gate": figure.gate,
                "pass": figure.passed,
            }
            for metric, figure in model.quality.items()
        },
    }


def _program(model: ModelReport) -> dict[str, object] | None:
    """The Program that ships: its bytes, its kernel calls and the memory of its activations."""
    if model.backend != "engine":
        return None
    return {
        "bytes": model.parts["program"],
        "operations": model.operations,
        "arena_bytes": model.arena_bytes,
    }
