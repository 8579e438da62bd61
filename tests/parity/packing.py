"""Packs models for the worker as a build does, without a build."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from extbuild.artifacts import CompiledModel, EngineFiles, Task, Variant
from extbuild.bundle.engine import write_engine
from extbuild.bundle.runtime import RuntimeModel, make_runtime, model_folder, runtime_text
from extbuild.compile.run import compile_forms
from extbuild.compress.run import compress
from extbuild.config.load import load_project
from extbuild.config.recipe import CompletionPolicy, ModerationPolicy, PassSpec
from extbuild.config.runtime import BackendName
from extbuild.evaluate.prove import prove
from extbuild.evaluate.settings import Settings, completion_settings, moderation_settings
from extbuild.shard.write import write_model
from extbuild.source.load import load_source
from extbuild.targets import TARGETS
from tests.node import ROOT

Policy = ModerationPolicy | CompletionPolicy
Modules = Mapping[Variant, bytes]


@dataclasses.dataclass(frozen=True)
class Packed:
    """A model as it ships, the settings that its runtime description has, and the same model on
    native onnxruntime."""

    compiled: CompiledModel
    reference: CompiledModel
    settings: Settings
    params: int


@dataclasses.dataclass(frozen=True)
class Original:
    """Where a model comes from, and what is done with it."""

    source: Path
    task: Task
    passes: Sequence[PassSpec]
    policy: Policy
    fixtures: Path


def packed_for(backend: BackendName, original: Original, modules: Modules) -> Packed:
    """The model's files for one backend; an engine's variant is also what judges it in Python."""
    model = load_source(original.source, original.task, original.task)
    forms = compile_forms(compress(model, original.passes), gpu=False)
    reference = forms.ort
    policy = original.policy
    settings: Settings = (
        moderation_settings(model.config, reference.tokenizer_json, policy)
        if isinstance(policy, ModerationPolicy)
        else completion_settings(model.config, reference.tokenizer_json, policy)
    )
    engine = None
    if backend.startswith("engine-"):
        assert forms.program is not None, forms.reason
        variant = next(name for name in modules if backend == f"engine-{name}")
        engine = EngineFiles(forms.program, forms.weights, modules[variant])
    compiled = dataclasses.replace(
        reference,
        engine=engine,
        ort=reference.ort if engine is None else None,
        golden=prove(reference, {}, settings, original.fixtures).golden,
    )
    return Packed(compiled, reference, settings, model.params)


def write_package(
    models: Sequence[Packed],
    modules: Modules,
    directory: Path,
    max_shard_bytes: int,
    liar: BackendName | None = None,
) -> Path:
    """A folder with runtime.json, the models' files and the engine, as in an unpacked extension."""
    described = [
        RuntimeModel(
            sharded=write_model(
                packed.compiled, directory / model_folder(packed.compiled.name), max_shard_bytes
            ),
            params=packed.params,
            webgpu="never",
            values=dataclasses.asdict(packed.settings),
        )
        for packed in models
    ]
    extension = load_project(ROOT).extension.model_copy(update={"lying_backend": liar})
    engine = write_engine(modules, TARGETS["chrome"], directory)
    text = runtime_text(make_runtime(extension, "0.0.0", described, engine))
    (directory / "runtime.json").write_text(text, encoding="utf-8")
    return directory
