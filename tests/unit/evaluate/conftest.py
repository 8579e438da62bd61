"""Tiny models for the engine, and the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from extbuild.artifacts import CompiledModel, EngineFiles, Task, Variant
from extbuild.bundle.engine import shipped_engine
from extbuild.cache import Cache
from extbuild.compile.run import compile_forms
from extbuild.compress.run import compress
from extbuild.config.recipe import CompletionPolicy, DynamicInt8, ModerationPolicy
from extbuild.evaluate.settings import Settings, completion_settings, moderation_settings
from extbuild.process import run
from extbuild.source.load import load_source
from extbuild.source.synthetic import (
    LABELS,
    write_tiny_completion,
    write_tiny_fixtures,
    write_tiny_moderation,
)


@dataclass(frozen=True)
class Tiny:
    """A model in both forms, with its settings and fixtures."""

    reference: CompiledModel
    variants: Mapping[Variant, EngineFiles]
    settings: Settings
    fixtures: Path


@pytest.fixture(scope="session")
def modules(root: Path) -> Mapping[Variant, bytes]:
    cache = Cache(root / ".extbuild/engine-tests", max_bytes=20_000_000)
    return shipped_engine(root / "extension_src", cache, run)


@pytest.fixture(scope="session")
def tiny(
    modules: Mapping[Variant, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[Task, Tiny]:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_moderation(folder / "moderation")
    write_tiny_completion(folder / "completion")
    models: dict[Task, Tiny] = {}
    tasks: tuple[Task, ...] = ("moderation", "completion")
    for task in tasks:
        fixtures = folder / f"{task}.jsonl"
        write_tiny_fixtures(fixtures, task)
        source = load_source(folder / task, task, task)
        forms = compile_forms(compress(source, (DynamicInt8(name="dynamic_int8"),)), gpu=False)
        assert forms.program is not None
        settings: Settings = (
            moderation_settings(
                source.config,
                source.tokenizer_json,
                ModerationPolicy(thresholds=dict.fromkeys(LABELS, 0.5), max_tokens=32),
            )
            if task == "moderation"
            else completion_settings(
                source.config,
                source.tokenizer_json,
                CompletionPolicy(min_confidence=0.0, context_tokens=64),
            )
        )
        variants = {
            variant: EngineFiles(forms.program, forms.weights, module)
            for variant, module in modules.items()
        }
        models[task] = Tiny(forms.ort, variants, settings, fixtures)
    return models
