"""A whole project in a temporary folder: this extension with tiny models of random weights."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from extbuild import cli
from extbuild.source.synthetic import (
    write_tiny_completion,
    write_tiny_fixtures,
    write_tiny_moderation,
)

PYPROJECT = """\
[project]
version = "9.8.7"

[tool.extbuild]
name = "Tiny"
description = "What it does."
models = ["moderation", "completion"]
targets = ["chrome", "firefox"]
max_shard_bytes = 65_536
firefox_id = "tiny@example.org"
chrome_min_version = "116"
firefox_min_version = "140.0"
"""

PASSES = """\
[[passes]]
name = "fold_constants"

[[passes]]
name = "dynamic_int8"

[budget]
max_packed_bytes = 2_000_000
"""

MODERATION = f"""\
name = "moderation"
task = "moderation"

{PASSES}
[moderation]
max_tokens = 32

[moderation.thresholds]
toxic = 0.5
severe_toxic = 0.5
obscene = 0.5
threat = 0.5
insult = 0.5
identity_hate = 0.5
"""

COMPLETION = f"""\
name = "completion"
task = "completion"

{PASSES}
[completion]
min_confidence = 0.01
context_tokens = 32
max_new_tokens = 4
"""

MakeProject = Callable[[Path], Path]


@pytest.fixture(scope="session")
def make_project(root: Path) -> MakeProject:
    """Writes a project into an empty folder; npm's packages are shared, all else is its own."""

    def make(directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "pyproject.toml").write_text(PYPROJECT)
        shutil.copy(root / "LICENSE", directory)
        source = root / "extension_src"
        shutil.copytree(
            source, directory / "extension_src", ignore=shutil.ignore_patterns("node_modules")
        )
        (directory / "extension_src/node_modules").symlink_to(source / "node_modules")
        moderation, completion = directory / "models/moderation", directory / "models/completion"
        for folder, recipe in ((moderation, MODERATION), (completion, COMPLETION)):
            (folder / "fixtures").mkdir(parents=True)
            (folder / "recipe.toml").write_text(recipe)
        write_tiny_moderation(moderation / "source", seed=1)
        write_tiny_completion(completion / "source", seed=1)
        write_tiny_fixtures(moderation / "fixtures/eval.jsonl", "moderation")
        write_tiny_fixtures(completion / "fixtures/eval.jsonl", "completion")
        return directory

    return make


@pytest.fixture(scope="session")
def built(make_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was built once. Tests read it; those that change something take `project`."""
    directory = make_project(tmp_path_factory.mktemp("built") / "project")
    assert cli.guarded(lambda: cli.build(directory, as_json=False)) == 0
    return directory


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy of the built project with its dist/ and its cache, to be changed freely."""
    return Path(shutil.copytree(built, tmp_path / "project", symlinks=True))
