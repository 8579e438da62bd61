"""Results of stages, found again by what they were made from.

::

    .extbuild/cache/<stage>-<key>/
        entry.json      value, and SHA-256 and size of every file
        files/...       what the stage wrote

The key is the SHA-256 of the stage's name, its inputs as canonical JSON, the source code of the
modules that it depends on and the versions of the libraries that shape its result. An entry is
written beside its place and renamed into it, so it is whole or absent; an entry whose files no
longer have their hashes is thrown away and made again.
"""

import importlib.metadata
import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from extbuild.files import (
    list_files,
    remove_tree,
    sha256_bytes,
    sha256_file,
    storage_errors,
    tree_bytes,
)

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A stage's result: `directory` holds its files, `value` is what it returned.

    `cached` is true where the result was found and not made.
    """

    directory: Path
    value: Mapping[str, object]
    cached: bool


def code_digest(packages: Sequence[str]) -> str:
    """SHA-256 over the Python sources of modules or whole packages, in a fixed order.

    A change to a stage's code is a change of its key: nobody has to remember a version number.
    """
    lines = []
    for name in sorted(packages):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        origin = Path(spec.origin)
        root = origin.parent
        found = sorted(root.rglob("*.py")) if spec.submodule_search_locations else [origin]
        lines += [f"{name} {path.relative_to(root)} {sha256_file(path)}" for path in found]
    return sha256_bytes("\n".join(lines).encode())


def cache_key(
    stage: str,
    inputs: Mapping[str, object],
    *,
    packages: Sequence[str] = (),
    libraries: Sequence[str] = (),
) -> str:
    """Name of a cache entry: the stage and 32 digits that stand for everything it depends on."""
    subject = {
        "format": _FORMAT,
        "stage": stage,
        "inputs": inputs,
        "code": code_digest(packages),
        "libraries": {name: importlib.metadata.version(name) for name in sorted(libraries)},
    }
    canonical = json.dumps(subject, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{stage}-{sha256_bytes(canonical.encode())[:32]}"


class Cache:
    """The cache folder of one project. Callers hold the build lock, so there is one writer."""

    def __init__(self, directory: Path, *, max_bytes: int = 2_000_000_000) -> None:
        self._directory = directory
        self._max_bytes = max_bytes

    def get(self, key: str, make: Callable[[Path], Mapping[str, object]]) -> Entry:
        """The entry `key`, made by `make(folder)` if it is not there or no longer intact.

        `make` writes its files into the folder it is given and returns a JSON-able value.
        """
        place = self._directory / key
        value = _intact(place)
        if value is not None:
            os.utime(place)
            return Entry(place / "files", value, cached=True)
        with storage_errors(place):
            remove_tree(place)
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=self._directory) as draft:
                made = Path(draft) / "entry"
                (made / "files").mkdir(parents=True)
                value = make(made / "files")
                record = {"value": value, "files": _hashes(made / "files")}
                (made / "entry.json").write_text(json.dumps(record, indent=1))
                made.rename(place)
        return Entry(place / "files", _stored(place)["value"], cached=False)

    def holds(self, key: str) -> bool:
        """Whether :meth:`get` would find the entry `key`."""
        return _intact(self._directory / key) is not None

    def prune(self) -> None:
        """Remove the entries used longest ago until the rest fits, and drafts of killed builds."""
        if not self._directory.exists():
            return
        for draft in self._directory.glob(".making-*"):
            remove_tree(draft)
        entries = sorted(self._directory.iterdir(), key=lambda path: -path.stat().st_mtime_ns)
        kept_bytes = 0
        for entry in entries:
            kept_bytes += tree_bytes(entry)
            if kept_bytes > self._max_bytes:
                remove_tree(entry)


def _hashes(directory: Path) -> dict[str, str]:
    return {file: sha256_file(directory / file) for file in list_files(directory)}


def _stored(place: Path) -> dict[str, dict[str, object]]:
    stored: dict[str, dict[str, object]] = json.loads((place / "entry.json").read_text())
    return stored


def _intact(place: Path) -> Mapping[str, object] | None:
    """The entry's value if every file is there with its hash and no other is; else None."""
    try:
        stored = _stored(place)
        value, files = stored["value"], stored["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if files == _hashes(place / "files") else None
