"""The model files of a built package, as the extension will find them."""

from dataclasses import dataclass
from pathlib import Path

from extbuild.artifacts import CompiledModel, EngineFiles, OrtFiles, Task
from extbuild.config.runtime import (
    CompletionRuntime,
    EngineVariants,
    FileEntry,
    ModerationRuntime,
    Runtime,
    WeightsBlob,
)
from extbuild.shard.verify import RUNTIME_FILE, verify_package


@dataclass(frozen=True, slots=True)
class Packed:
    """What a package holds; a model that it was built without is None."""

    moderation: tuple[ModerationRuntime, CompiledModel] | None
    completion: tuple[CompletionRuntime, CompiledModel] | None


def read_packed(unpacked: Path) -> Packed:
    """Read, and check against their hashes, the models of an unpacked package."""
    verify_package(unpacked)
    runtime = Runtime.model_validate_json((unpacked / RUNTIME_FILE).read_bytes())
    moderation, completion = runtime.models.moderation, runtime.models.completion
    return Packed(
        None
        if moderation is None
        else (moderation, _model(unpacked, "moderation", moderation, runtime.engine)),
        None
        if completion is None
        else (completion, _model(unpacked, "completion", completion, runtime.engine)),
    )


def _model(
    unpacked: Path,
    task: Task,
    runtime: ModerationRuntime | CompletionRuntime,
    variants: EngineVariants | None,
) -> CompiledModel:
    files = runtime.files

    def read(entry: FileEntry) -> bytes:
        return (unpacked / entry.file).read_bytes()

    def joined(weights: WeightsBlob) -> bytes:
        return b"".join((unpacked / shard.file).read_bytes() for shard in weights.shards)

    engine = ort = None
    if files.engine is not None and variants is not None:
        engine = EngineFiles(
            read(files.engine.program), joined(files.engine.weights), read(variants.relaxed)
        )
    if files.ort is not None:
        f16 = files.ort.graph_f16
        ort = OrtFiles(
            read(files.ort.graph), None if f16 is None else read(f16), joined(files.ort.weights)
        )
    return CompiledModel(
        name=task,
        task=task,
        tokenizer_json=read(files.tokenizer),
        operators={},
        engine=engine,
        ort=ort,
        golden=read(files.golden),
    )
