"""What a prepared model depends on, and what stops it."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx_ir as ir
import pytest

from extbuild import prepare as prepare_module
from extbuild.artifacts import CompiledModel, EngineFiles, Variant
from extbuild.budget import require_budget
from extbuild.bundle.engine import shipped_engine
from extbuild.cache import Cache, cache_key
from extbuild.config.load import ModelEntry
from extbuild.config.recipe import Block4Bit, Budget, ModerationPolicy, Recipe, RuntimePolicy
from extbuild.config.runtime import WebGpu
from extbuild.errors import CompileError, QualityError
from extbuild.evaluate.prove import Proof, prove
from extbuild.evaluate.settings import Settings
from extbuild.prepare import SWITCHED_OFF, Modules, prepare, quality
from extbuild.process import run
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
    assert quality(prepare(entry, dict, cache, stages), cache, stages)["agreement"].passed
    assert set(asked) == {"compile-moderation", "prove-moderation", "evaluate-moderation"}
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
        prepare(entry, dict, Cache(tmp_path / "cache"), stages)


@pytest.fixture(scope="module")
def modules(root: Path) -> Modules:
    cache = Cache(root / ".extbuild/engine-tests", max_bytes=20_000_000)
    return partial(shipped_engine, root / "extension_src", cache, run)


def test_a_model_runs_on_the_engine_alone(
    entry: ModelEntry, stages: Stages, tmp_path: Path, modules: Modules
) -> None:
    model = prepare(entry, modules, Cache(tmp_path / "cache"), stages)
    assert (model.compiled.backend, model.compiled.not_lowered) == ("engine", None)
    assert model.compiled.ort is None
    assert model.reference.ort is not None
    assert model.operations is not None
    assert set(model.parts) == {"tokenizer", "golden", "program", "weights"}
    again = prepare(entry, modules, Cache(tmp_path / "cache"), stages)
    assert (again.compiled, again.proof) == (model.compiled, model.proof)


def test_a_model_that_may_use_a_gpu_is_packed_for_both(
    entry: ModelEntry, stages: Stages, tmp_path: Path, modules: Modules
) -> None:
    recipe = entry.recipe.model_copy(update={"runtime": RuntimePolicy(webgpu="measure")})
    model = prepare(replace(entry, recipe=recipe), modules, Cache(tmp_path / "cache"), stages)
    assert model.compiled.backend == "engine"
    assert model.compiled.ort == model.reference.ort
    assert {"program", "graph"} <= set(model.parts)
    small = recipe.model_copy(update={"budget": Budget(max_packed_bytes=model.packed_bytes - 1)})
    with pytest.raises(QualityError, match=r"or raise the budget") as caught:
        require_budget(replace(model, entry=replace(entry, recipe=small)))
    assert 'pack it once with runtime.webgpu = "never"' in str(caught.value)


def test_a_model_of_4_bits_that_may_use_a_gpu_has_a_graph_for_float16_too(
    entry: ModelEntry, modules: Modules, stages: Stages, tmp_path: Path
) -> None:
    """Made, found in the cache, and gone with the wish for a GPU, of which the cache must know."""
    cache = Cache(tmp_path / "cache")
    blocks = entry.recipe.model_copy(update={"passes": (Block4Bit(name="block_4bit"),)})
    cases: tuple[tuple[WebGpu, bool], ...] = (("always", True), ("always", True), ("never", False))
    for webgpu, expected in cases:
        recipe = blocks.model_copy(update={"runtime": RuntimePolicy(webgpu=webgpu)})
        prepared = prepare(replace(entry, recipe=recipe), modules, cache, stages)
        ort = prepared.reference.ort
        assert ort is not None
        assert (ort.graph_f16 is not None) == expected
        assert (prepared.compiled.ort is not None) == expected


def test_without_the_engine_a_model_says_so(
    entry: ModelEntry, stages: Stages, tmp_path: Path
) -> None:
    model = prepare(entry, dict, Cache(tmp_path / "cache"), stages)
    assert model.compiled.backend == "onnxruntime-web"
    assert model.compiled.not_lowered == SWITCHED_OFF
    assert model.compiled.ort is not None


def test_a_model_that_the_engine_gets_wrong_falls_back(
    entry: ModelEntry,
    stages: Stages,
    tmp_path: Path,
    modules: Modules,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def proved_with_other_weights(
        reference: CompiledModel,
        variants: Mapping[Variant, EngineFiles],
        settings: Settings,
        fixtures: Path,
    ) -> Proof:
        spoiled = {
            variant: replace(files, weights=files.weights[::-1])
            for variant, files in variants.items()
        }
        return prove(reference, spoiled, settings, fixtures)

    monkeypatch.setattr(prepare_module, "prove", proved_with_other_weights)
    model = prepare(entry, modules, Cache(tmp_path / "cache"), stages)
    assert model.compiled.backend == "onnxruntime-web"
    assert model.compiled.engine is None
    assert model.compiled.ort is not None
    assert str(model.compiled.not_lowered).startswith("engine simd: ")


def test_a_graph_that_cannot_be_lowered_names_its_node(
    entry: ModelEntry, stages: Stages, tmp_path: Path
) -> None:
    source = entry.source_directory
    graph = load_source(source, "moderation", "moderation").graph
    node = next(node for node in graph.graph if node.op_type == "Tanh")
    node.op_type = "Softsign"
    (source / "model.safetensors").unlink()
    ir.save(graph, source / "model.onnx")

    def unasked() -> Mapping[Variant, bytes]:
        pytest.fail("the engine was compiled for nothing")

    model = prepare(entry, unasked, Cache(tmp_path / "cache"), stages)
    assert model.compiled.backend == "onnxruntime-web"
    assert "Softsign" in str(model.compiled.not_lowered)
