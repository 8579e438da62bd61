"""What a model was trained on (files, hashes, counts) and what came out, as JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True)
class DataFile:
    """One file of training data."""

    name: str
    bytes: int
    sha256: str


def compact_json(content: object) -> str:
    """JSON without spaces, keys in the given order, text as UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def data_file(path: Path) -> DataFile:
    """Name, size and SHA-256 of `path`."""
    digest = sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return DataFile(path.name, path.stat().st_size, digest.hexdigest())


def write_manifest(path: Path, files: list[DataFile], counts: Mapping[str, object]) -> None:
    """Write files and counts as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"files": [asdict(file) for file in files], "counts": dict(counts)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_figures(path: Path, figures: Mapping[str, float]) -> None:
    """Write the figures of a finished run as JSON, for the model card."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(figures), indent=2) + "\n", encoding="utf-8")
