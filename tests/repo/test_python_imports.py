import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# What each part of extbuild may import from the others. The order is that of the build; a part that
# is not named here is refused, so that a new one finds its place.
BASE = {"errors", "artifacts", "config", "files"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "artifacts": set(),
    "config": {"errors", "artifacts"},
    "files": {"errors"},
    "process": {"errors"},
    "cache": {"files"},
    "progress": set(),
    "ort": {"errors", "artifacts"},
    "engine": {"compile"},
    "source": BASE,
    "compress": BASE | {"ort"},
    "compile": BASE | {"ort"},
    "evaluate": BASE | {"engine", "ort"},
    "shard": BASE,
    "targets": BASE,
    "bundle": BASE | {"cache", "process", "shard", "targets"},
    "package": BASE | {"shard", "targets"},
    "report": BASE | {"progress"},
    "prepare": BASE | {"cache", "progress", "source", "compress", "compile", "evaluate"},
    "budget": BASE | {"compile", "prepare"},
    "browsers": BASE | {"process"},
    "pipeline": BASE
    | {"budget", "bundle", "cache", "evaluate", "package", "prepare", "process", "progress"}
    | {"report", "shard", "targets"},
    "train": BASE | {"compress", "ort", "evaluate", "source", "process"},
    "bench": BASE
    | {"browsers", "bundle", "cache", "compile", "compress", "engine", "evaluate", "ort"}
    | {"pipeline", "process", "progress", "report", "shard", "source"},
    "cli": BASE
    | {"bench", "bundle", "evaluate", "pipeline", "prepare", "process", "progress", "train"},
}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _part(file: Path, package: Path) -> str:
    return file.relative_to(package).parts[0].removesuffix(".py")


def _files(root: Path) -> list[Path]:
    package = root / "extbuild"
    return [file for file in package.rglob("*.py") if file != package / "__init__.py"]


@pytest.fixture(scope="module")
def imported(root: Path) -> dict[Path, set[str]]:
    return {file: set(_imports(file)) for file in _files(root)}


def test_imports_point_one_way(root: Path, imported: dict[Path, set[str]]) -> None:
    wrong = []
    for file, names in imported.items():
        part = _part(file, root / "extbuild")
        parts = {name.split(".")[1] for name in names if name.startswith("extbuild.")}
        allowed = ALLOWED.get(part, set()) | {part}
        wrong += [f"{file.relative_to(root)} imports {other}" for other in parts - allowed]
    assert wrong == []


def test_every_part_has_its_place_in_the_order(root: Path) -> None:
    parts = {_part(file, root / "extbuild") for file in _files(root)}
    assert parts <= set(ALLOWED)


def test_the_order_has_no_circle() -> None:
    done: list[str] = []

    def visit(part: str, path: tuple[str, ...]) -> None:
        assert part not in path, " -> ".join([*path, part])
        if part not in done:
            for other in sorted(ALLOWED[part]):
                visit(other, (*path, part))
            done.append(part)

    for part in ALLOWED:
        visit(part, ())


@pytest.mark.parametrize(
    ("module", "home"),
    [
        ("subprocess", "extbuild/process.py"),
        ("onnxruntime", "extbuild/ort.py"),
        ("wasmtime", "extbuild/engine/host.py"),
    ],
)
def test_a_module_is_imported_in_one_file_only(
    root: Path, imported: dict[Path, set[str]], module: str, home: str
) -> None:
    users = {
        str(file.relative_to(root))
        for file, names in imported.items()
        if any(name.split(".")[0] == module for name in names)
    }
    assert users == {home}
