"""The repository itself as the subject of tests."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_TEXTS = frozenset(
    {".py", ".ts", ".mjs", ".js", ".json", ".toml", ".md", ".html", ".css", ".txt", ".sh", ""}
)


@pytest.fixture(scope="session")
def tracked(root: Path) -> tuple[str, ...]:
    """Paths that are, or with the next commit will be, in the repository."""
    # A checkout may be another user's, as it is where containers mount one.
    safe = f"safe.directory={root}"
    command = ["git", "-c", safe, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return tuple(path for path in listed.stdout.split("\0") if path and (root / path).is_file())


@pytest.fixture(scope="session")
def texts(root: Path, tracked: tuple[str, ...]) -> Mapping[str, str]:
    """Contents of tracked text files, by path; models/ is data and left out."""
    return {
        path: (root / path).read_text(encoding="utf-8")
        for path in tracked
        if Path(path).suffix in _TEXTS and not path.startswith("models/")
    }
