"""The model files of a built package, as the extension will find them."""

from dataclasses import dataclass
from pathlib import Path

from extbuild.artifacts import CompiledModel, Task
from extbuild.config.runtime import CompletionRuntime, ModerationRuntime, Runtime
from extbuild.shard.verify import RUNTIME_FILE, verify_package


@dataclass(frozen=True, slots=True)
class Packed:
    """What a package holds; a model that it was built without is None."""

    moderation: tuple[ModerationRuntime, CompiledModel] | None
    completion: tuple[CompletionRuntime, CompiledModel] | None


def read_packed(unpacked: Path) -> Packed:
    """Read, and check against their hashes, the models of an unpacked package."""
    verify_package(unpacked)
    models = Runtime.model_validate_json((unpacked / RUNTIME_FILE).read_bytes()).models
    moderation, completion = models.moderation, models.completion
    return Packed(
        None if moderation is None else (moderation, _model(unpacked, "moderation", moderation)),
        None if completion is None else (completion, _model(unpacked, "completion", completion)),
    )


def _model(
    unpacked: Path, task: Task, runtime: ModerationRuntime | CompletionRuntime
) -> CompiledModel:
    files = runtime.files
    return CompiledModel(
        name=task,
        task=task,
        graph=(unpacked / files.graph.file).read_bytes(),
        weights=b"".join((unpacked / shard.file).read_bytes() for shard in files.shards),
        tokenizer_json=(unpacked / files.tokenizer.file).read_bytes(),
        operators={},
    )
