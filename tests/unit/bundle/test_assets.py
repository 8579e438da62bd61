from pathlib import Path
from typing import cast

import pytest

from extbuild.bundle.assets import copy_assets, write_licences
from extbuild.config.runtime import OrtFlavour
from extbuild.errors import BundleError
from extbuild.files import list_files
from extbuild.targets import TARGETS

ORT = "node_modules/onnxruntime-web"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small extension_src inside a project."""
    files = {
        "LICENSE": "our licence",
        "extension_src/static/offscreen.html": "<!doctype html>",
        "extension_src/static/ui/popup.html": "<!doctype html>",
        f"extension_src/{ORT}/dist/ort-wasm-simd-threaded.mjs": "export {}",
        f"extension_src/{ORT}/dist/ort-wasm-simd-threaded.wasm": "wasm",
        f"extension_src/{ORT}/dist/ort-wasm-simd-threaded.asyncify.mjs": "export {}",
        f"extension_src/{ORT}/dist/ort-wasm-simd-threaded.asyncify.wasm": "wasm",
        f"extension_src/{ORT}/dist/ort-wasm-simd-threaded.jsep.wasm": "not needed",
        "extension_src/licences/onnxruntime-web.txt": "MIT of the runtime",
        "extension_src/node_modules/@scope/words/LICENSE": "Apache of the words",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "extension_src"


def test_only_the_runtime_files_that_are_loaded_are_copied(source: Path, tmp_path: Path) -> None:
    for flavour, suffix in (("wasm", ""), ("webgpu", ".asyncify")):
        out = tmp_path / flavour
        copy_assets(TARGETS["chrome"], source, out, cast(OrtFlavour, flavour))
        assert list_files(out) == (
            "offscreen.html",
            f"ort/ort-wasm-simd-threaded{suffix}.mjs",
            f"ort/ort-wasm-simd-threaded{suffix}.wasm",
            "ui/popup.html",
        )


def test_models_on_the_engine_need_no_other_runtime(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    copy_assets(TARGETS["chrome"], source, out, None)
    write_licences(tmp_path, source, ["@scope/words"], None, out)
    assert not [file for file in list_files(out) if "ort" in file]
    assert "onnxruntime" not in (out / "THIRD_PARTY_NOTICES.txt").read_text()


def test_firefox_has_no_offscreen_page(source: Path, tmp_path: Path) -> None:
    copy_assets(TARGETS["firefox"], source, tmp_path / "out", None)
    assert "offscreen.html" not in list_files(tmp_path / "out")


def test_a_missing_runtime_file_is_named(source: Path, tmp_path: Path) -> None:
    (source / ORT / "dist/ort-wasm-simd-threaded.wasm").unlink()
    with pytest.raises(BundleError, match=r"ort-wasm-simd-threaded\.wasm: missing"):
        copy_assets(TARGETS["chrome"], source, tmp_path / "out", "wasm")


def test_every_bundled_package_has_its_licence_in_the_notices(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_licences(tmp_path, source, ["@scope/words"], "wasm", out)
    notices = (out / "THIRD_PARTY_NOTICES.txt").read_text()
    assert "Apache of the words" in notices
    assert "MIT of the runtime" in notices
    assert (out / "LICENSE").read_text() == "our licence"


def test_code_without_a_licence_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "node_modules/wild").mkdir()
    with pytest.raises(BundleError, match="ships no licence text; put the text into"):
        write_licences(tmp_path, source, ["wild"], None, source)
