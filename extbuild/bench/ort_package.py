"""The same extension without the engine: what its cold start is compared with.

Built from the project's own files in a second root below ``.extbuild/bench``, where everything is a
link but pyproject.toml, which says ``engine = false``.
"""

from pathlib import Path

from extbuild.config.load import load_project
from extbuild.pipeline import Tools, Workshop, build
from extbuild.progress import Stages

_LINKED = ("LICENSE", "README.md", "extension_src", "models")
_SECTION = "[tool.extbuild]\n"


def build_without_engine(root: Path, folder: Path, tools: Tools, stages: Stages) -> Path:
    """Build into ``folder``; the dist/ that it holds afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _LINKED:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(root / name)
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    settled = without_engine(text)
    (folder / "pyproject.toml").write_text(settled, encoding="utf-8")
    build(load_project(folder), tools, stages)
    return Workshop(folder).dist


def without_engine(pyproject: str) -> str:
    """The text of a pyproject.toml with the engine switched off."""
    kept = [line for line in pyproject.splitlines() if line.partition("=")[0].strip() != "engine"]
    text = "\n".join(kept) + "\n"
    return text.replace(_SECTION, f"{_SECTION}engine = false\n", 1)
