import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import onnx_ir as ir
import pytest

from extbuild import cli
from extbuild.config.load import load_project
from extbuild.config.runtime import Runtime
from extbuild.files import list_files, sha256_file
from extbuild.shard.verify import verify_package
from extbuild.source.load import load_source

SEVEN_KEYS = {"params", "source_bytes", "packed_bytes", "shards", "passes", "quality"}


def _report(project: Path) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    report: Mapping[str, Mapping[str, Mapping[str, object]]] = json.loads(
        (project / "dist/report.json").read_text()
    )
    return report


def _sums(project: Path) -> dict[str, str]:
    lines = (project / "dist/SHA256SUMS").read_text().splitlines()
    return {file: digest for digest, file in (line.split("  ") for line in lines)}


def test_both_packages_are_where_programs_look_for_them(built: Path) -> None:
    assert {
        "chrome/tiny-9.8.7.zip",
        "firefox/tiny-9.8.7.xpi",
        "SHA256SUMS",
        "report.json",
        "report.html",
    } == {file for file in list_files(built / "dist") if "/unpacked/" not in file}
    for file, digest in _sums(built).items():
        assert sha256_file(built / "dist" / file) == digest


def test_the_report_has_the_promised_keys(built: Path) -> None:
    report = _report(built)
    assert report["version"] == "9.8.7"
    assert set(report["models"]) == {"moderation", "completion"}
    for model in report["models"].values():
        assert model.keys() >= SEVEN_KEYS
        quality = model["quality"]
        assert isinstance(quality, dict)
        assert quality
        assert all(
            set(figure) == {"before", "after", "gate", "pass"} for figure in quality.values()
        )
    for browser, package in report["packages"].items():
        file = built / "dist" / str(package["file"])
        assert file.is_relative_to(built / "dist" / browser)
        assert package["bytes"] == file.stat().st_size
        assert package["sha256"] == sha256_file(file)
    for stage in report["stages"]:
        assert set(stage) == {"name", "seconds", "cached"}


def test_the_report_page_needs_nothing_from_outside(built: Path) -> None:
    page = (built / "dist/report.html").read_text()
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", page)
    assert "moderation" in page


def test_models_in_a_package_are_what_its_description_says(built: Path) -> None:
    for browser in ("chrome", "firefox"):
        unpacked = built / "dist" / browser / "unpacked"
        assert verify_package(unpacked) > 0
        runtime = Runtime.model_validate_json((unpacked / "runtime.json").read_bytes())
        assert runtime.models.moderation is not None
        assert runtime.models.completion is not None
        files = runtime.models.completion.files
        weights = files.engine.weights if files.engine is not None else None
        assert weights is not None
        assert len(weights.shards) > 1
        assert all(shard.bytes <= 65_536 for shard in weights.shards)


def test_a_second_build_finds_its_results_and_gives_the_same_bytes(
    built: Path, project: Path
) -> None:
    before = _sums(built)
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    assert _sums(project) == before
    cached = {str(stage["name"]) for stage in _report(project)["stages"] if stage["cached"]}
    assert {"compress moderation", "evaluate moderation", "compile completion"} <= cached


def test_a_build_from_nothing_elsewhere_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "a folder with spaces"
    made = shutil.ignore_patterns("dist", ".extbuild")
    shutil.copytree(built, elsewhere, symlinks=True, ignore=made)
    assert cli.guarded(lambda: cli.build(elsewhere, as_json=False)) == 0
    assert _sums(elsewhere) == _sums(built)


@pytest.mark.parametrize(
    ("feature", "other"), [("moderation", "completion"), ("completion", "moderation")]
)
def test_a_feature_ships_alone(project: Path, feature: str, other: str) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('["moderation", "completion"]', f'["{feature}"]'))
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    unpacked = project / "dist/chrome/unpacked"
    files = list_files(unpacked)
    assert f"content-{feature}.js" in files
    assert not [path for path in files if other in path and not path.startswith("_locales")]
    runtime = json.loads((unpacked / "runtime.json").read_text())
    assert runtime["models"][other] is None


def _unpacked(project: Path) -> tuple[set[str], Runtime]:
    unpacked = project / "dist/chrome/unpacked"
    runtime = Runtime.model_validate_json((unpacked / "runtime.json").read_bytes())
    return set(list_files(unpacked)), runtime


def test_models_on_the_engine_bring_nothing_else_along(built: Path) -> None:
    files, runtime = _unpacked(built)
    assert {"engine/simd.wasm", "engine/relaxed.wasm", "engine/threads.wasm"} <= files
    assert not [file for file in files if file.startswith("ort/") or "graph" in file]
    assert "onnxruntime" not in (built / "dist/chrome/unpacked/THIRD_PARTY_NOTICES.txt").read_text()
    assert "engine/threads.wasm" not in list_files(built / "dist/firefox/unpacked")
    assert runtime.ort is None
    assert runtime.models.completion is not None
    assert runtime.models.completion.webgpu == "never"
    for model in _report(built)["models"].values():
        assert model["backend"] == "engine"
        assert model["not_lowered"] is None
        assert model.keys() >= {"program", "golden"}


def test_a_model_for_gpus_brings_its_graph_and_the_runtime_for_it(project: Path) -> None:
    recipe = project / "models/moderation/recipe.toml"
    recipe.write_text(recipe.read_text() + '\n[runtime]\nwebgpu = "measure"\n')
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    files, runtime = _unpacked(project)
    assert runtime.ort == "webgpu"
    assert runtime.engine is not None
    assert {"models/moderation/program.bin", "models/moderation/graph.onnx"} <= files
    assert "models/completion/graph.onnx" not in files
    assert [file for file in files if file.startswith("ort/")]


def test_a_model_that_does_not_lower_ships_beside_one_that_does(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = project / "models/moderation/source"
    graph = load_source(source, "moderation", "moderation").graph
    next(node for node in graph.graph if node.op_type == "Tanh").op_type = "Softsign"
    (source / "model.safetensors").unlink()
    ir.save(graph, source / "model.onnx")
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    why = "Softsign classifier/Tanh: is an operator that the lowering does not know"
    assert f"warning: moderation runs on ONNX Runtime Web: {why}" in capsys.readouterr().err
    model = _report(project)["models"]["moderation"]
    assert (model["backend"], model["not_lowered"], model["program"]) == (
        "onnxruntime-web",
        why,
        None,
    )
    for browser in ("chrome", "firefox"):
        files = list_files(project / "dist" / browser / "unpacked")
        assert {"models/moderation/graph.onnx", "models/completion/program.bin"} <= {*files}
        assert {"ort/ort-wasm-simd-threaded.wasm", "engine/simd.wasm"} <= {*files}
        assert "models/moderation/program.bin" not in files
    assert cli.guarded(lambda: cli.verify(project)) == 0


def test_the_engine_can_be_switched_off(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + "engine = false\n")
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    files, runtime = _unpacked(project)
    assert (runtime.engine, runtime.ort) == (None, "wasm")
    assert not [path for path in files if path.startswith("engine/") or "program" in path]
    assert "warning: moderation runs on ONNX Runtime Web: " in capsys.readouterr().err


def test_leftovers_of_a_killed_build_are_cleared(project: Path) -> None:
    leftover = project / ".extbuild/drafts/build-killed/dist"
    leftover.mkdir(parents=True)
    (project / "dist").rename(project / ".extbuild/drafts/previous-dist")
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    assert not leftover.exists()
    assert list((project / ".extbuild/drafts").iterdir()) == []


def test_clean_removes_what_builds_made_and_nothing_else(project: Path) -> None:
    kept = _digest(project / "models")
    assert cli.guarded(lambda: cli.clean(project)) == 0
    assert not (project / "dist").exists()
    assert not (project / ".extbuild/cache").exists()
    assert _digest(project / "models") == kept
    assert load_project(project).version == "9.8.7"


def _digest(directory: Path) -> str:
    lines = [f"{file} {sha256_file(directory / file)}" for file in list_files(directory)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
