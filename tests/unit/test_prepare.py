"""What a prepared model depends on, and what stops it."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ir as ir
import pytest

from extbuild import prepare as prepare_module
from extbuild.cache import Cache, cache_key
from extbuild.config.load import ModelEntry
from extbuild.config.recipe import Budget, ModerationPolicy, Recipe
from extbuild.errors import CompileError
from extbuild.prepare import prepare, quality
from extbuild.progress import Stages, listener_for
from extbuild.source.load import load_source
from extbuild.source.synthetic import LABELS, write_tiny_fixtures, write_tiny_moderation


@pytest.fixture
def stages() -> Stages:
    return Stages(listener_for(io.StringIO(), as_json=True))


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    write_tiny_moderation(tmp_path / "moderation/source")
    (tmp_path / "moderation/fixtures").mkdir()
    write_tiny_fixtures(tmp_path / "moderation/fixtures/eval.jsonl", "moderation")
    recipe = Recipe(
        name="moderation",
        task="moderation",
        passes=(),
        budget=Budget(max_packed_bytes=2_000_000),
        moderation=ModerationPolicy(thresholds=dict.fromkeys(LABELS, 0.5), max_tokens=32),
    )
    return ModelEntry(tmp_path / "moderation", "recipe.toml", recipe)


def test_a_change_to_this_code_makes_every_stage_again(
    entry: ModelEntry, stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cached is shaped there: its keys must depend on it."""
    asked: dict[str, Sequence[str]] = {}

    def watched(
        stage: str,
        inputs: Mapping[str, object],
        *,
        packages: Sequence[str] = (),
        libraries: Sequence[str] = (),
    ) -> str:
        asked[stage] = packages
        return cache_key(stage, inputs, packages=packages, libraries=libraries)

    monkeypatch.setattr(prepare_module, "cache_key", watched)
    cache = Cache(tmp_path / "cache")
    assert quality(prepare(entry, cache, stages), cache, stages)["agreement"].passed
    assert set(asked) == {"compile-moderation", "evaluate-moderation"}
    assert all("extbuild.prepare" in packages for packages in asked.values())


def test_an_operator_that_no_backend_has_is_told_before_any_pass(
    entry: ModelEntry, stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = entry.source_directory
    graph = load_source(source, "moderation", "moderation").graph
    node = next(node for node in graph.graph if node.op_type == "Tanh")
    node.domain, node.op_type = "com.example", "Magic"
    graph.opset_imports["com.example"] = 1
    (source / "model.safetensors").unlink()
    ir.save(graph, source / "model.onnx")
    monkeypatch.setattr(prepare_module, "compress", lambda *_: pytest.fail("it was compressed"))
    with pytest.raises(CompileError, match=r"node classifier/Tanh: .* got com\.example::Magic"):
        prepare(entry, Cache(tmp_path / "cache"), stages)
