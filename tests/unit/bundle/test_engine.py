"""Compiling the engine: from C to the files of a package. The sources here are the tests' own."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from extbuild.bundle.engine import build_engine, is_built, write_engine
from extbuild.cache import Cache
from extbuild.errors import BundleError
from extbuild.files import list_files, sha256_bytes
from extbuild.process import Finished, run
from extbuild.targets import TARGETS

ADDING = """\
#include "twice.h"
__attribute__((export_name("thrice"))) int thrice(int x) { return twice(x) + x; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "extension_src/engine"
    folder.mkdir(parents=True)
    (folder / "twice.h").write_text("int twice(int x);\n")
    (folder / "twice.c").write_text('#include "twice.h"\nint twice(int x) { return 2 * x; }\n')
    (folder / "thrice.c").write_text(ADDING)
    return tmp_path / "extension_src"


def test_the_same_sources_give_the_same_bytes_in_another_folder(
    source: Path, tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copytree(source, tmp_path / "a folder with spaces"))
    first = build_engine(source, Cache(tmp_path / "one"), run)
    second = build_engine(elsewhere, Cache(tmp_path / "two"), run)
    assert first == second
    assert is_built(elsewhere, Cache(tmp_path / "one"))
    assert set(first) == {"simd", "relaxed", "threads"}
    for module in first.values():
        assert module.startswith(b"\0asm\1\0\0\0")
        assert str(tmp_path).encode() not in module


def test_a_change_of_a_header_compiles_anew_and_nothing_else_does(
    source: Path, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache")
    assert not is_built(source, cache)
    build_engine(source, cache, run, builds=["simd"])
    made = list_files(tmp_path / "cache")
    build_engine(source, cache, run, builds=["simd"])
    assert list_files(tmp_path / "cache") == made
    (source / "engine/twice.h").write_text("int twice(int x); /* again */\n")
    build_engine(source, cache, run, builds=["simd"])
    assert len(list_files(tmp_path / "cache")) == 2 * len(made)
    assert not [file for file in made if "zig" in file]


def test_the_first_message_of_the_compiler_is_told_with_its_place(
    source: Path, tmp_path: Path
) -> None:
    (source / "engine/twice.c").write_text("int twice(int x) {\n  return y;\n}\n")
    with pytest.raises(BundleError) as caught:
        build_engine(source, Cache(tmp_path / "cache"), run)
    assert str(caught.value).startswith("extension_src/engine/twice.c:2: must compile for")
    assert "use of undeclared identifier 'y'" in str(caught.value)
    assert len(list_files(tmp_path / "cache")) == 0


def test_a_warning_of_the_compiler_is_an_error(source: Path, tmp_path: Path) -> None:
    with (source / "engine/twice.c").open("a") as file:
        file.write("static int unused(void) { return 1; }\n")
    with pytest.raises(BundleError, match=r"twice\.c:3: must compile .* unused function 'unused'"):
        build_engine(source, Cache(tmp_path / "cache"), run, builds=["simd"])


def test_calls_side_by_side_share_no_cache(source: Path, tmp_path: Path) -> None:
    """They were seen to lose each other's files."""
    caches: list[str] = []

    def watched(
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Finished:
        caches.extend((env or {})[f"ZIG_{kind}_CACHE_DIR"] for kind in ("GLOBAL", "LOCAL"))
        return run(argv, cwd=cwd, env=env, stdin=stdin)

    build_engine(source, Cache(tmp_path / "cache"), watched, builds=["simd"])
    assert len(caches) == len(set(caches)) == 2 * 3


def test_missing_sources_are_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="extension_src/engine: holds no sources"):
        build_engine(tmp_path / "extension_src", Cache(tmp_path / "cache"), run)


def test_only_a_browser_with_shared_memory_gets_the_variant_for_it(tmp_path: Path) -> None:
    modules = {"simd": b"s", "relaxed": b"r", "threads": b"t"}
    chrome = write_engine(modules, TARGETS["chrome"], tmp_path / "chrome")
    firefox = write_engine(modules, TARGETS["firefox"], tmp_path / "firefox")
    assert list_files(tmp_path / "firefox") == ("engine/relaxed.wasm", "engine/simd.wasm")
    assert firefox.threads is None
    assert chrome.threads is not None
    assert chrome.threads.file == "engine/threads.wasm"
    assert chrome.threads.sha256 == sha256_bytes(b"t")
