"""Packs models for the worker as a build does, without a build."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from extbuild.artifacts import CompiledModel, CompressedModel, Task
from extbuild.bundle.runtime import RuntimeModel, make_runtime, model_folder, runtime_text
from extbuild.compile.ort import compile_for_ort
from extbuild.compress.run import compress
from extbuild.config.recipe import CompletionPolicy, ModerationPolicy, PassSpec
from extbuild.evaluate.settings import (
    CompletionSettings,
    ModerationSettings,
    completion_settings,
    moderation_settings,
)
from extbuild.shard.write import write_model
from extbuild.source.load import load_source

Policy = ModerationPolicy | CompletionPolicy
Settings = ModerationSettings | CompletionSettings


@dataclasses.dataclass(frozen=True)
class Packed:
    """A model as it ships, and the settings that its runtime description has."""

    compiled: CompiledModel
    settings: Settings
    params: int


def compiled_model(source: Path, task: Task, passes: Sequence[PassSpec], policy: Policy) -> Packed:
    model = load_source(source, task, task)
    compressed: CompressedModel = compress(model, passes)
    compiled = compile_for_ort(compressed)
    settings = (
        moderation_settings(model.config, compiled.tokenizer_json, policy)
        if isinstance(policy, ModerationPolicy)
        else completion_settings(model.config, compiled.tokenizer_json, policy)
    )
    return Packed(compiled, settings, model.params)


def write_package(models: Sequence[Packed], directory: Path, max_shard_bytes: int) -> Path:
    """A folder with runtime.json and the models' files, as in an unpacked extension."""
    described = [
        RuntimeModel(
            sharded=write_model(
                packed.compiled, directory / model_folder(packed.compiled.name), max_shard_bytes
            ),
            params=packed.params,
            values=dataclasses.asdict(packed.settings),
        )
        for packed in models
    ]
    text = runtime_text(make_runtime("Parity", "0.0.0", described))
    (directory / "runtime.json").write_text(text, encoding="utf-8")
    return directory
