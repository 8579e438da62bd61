"""Packages of this project with other settings than those that ship."""

import re
from collections.abc import Mapping
from pathlib import Path

from extbuild.artifacts import TargetName
from extbuild.config.load import load_project
from extbuild.pipeline import Tools, build
from extbuild.process import find_node, run
from extbuild.progress import Silent, Stages

_SHARED = ("LICENSE", "extension_src", "models", ".extbuild")


def build_variant(
    root: Path, directory: Path, settings: Mapping[str, str]
) -> Mapping[TargetName, Path]:
    """Build the project of ``root`` into the empty ``directory``, its cache used.

    ``settings`` are TOML values of ``[tool.extbuild]`` that take the place of those in
    ``pyproject.toml``.
    """
    for name in _SHARED:
        (directory / name).symlink_to(root / name)
    text = (root / "pyproject.toml").read_text()
    for key, value in settings.items():
        text = re.sub(rf"(?m)^{re.escape(key)} = .*\n", "", text)
        text = text.replace("[tool.extbuild]\n", f"[tool.extbuild]\n{key} = {value}\n")
    (directory / "pyproject.toml").write_text(text)
    report = build(load_project(directory), Tools(find_node(), run), Stages(Silent()))
    return {package.target: directory / "dist" / package.file for package in report.packages}
