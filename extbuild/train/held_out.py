"""Writing a held-out split as JSON lines, so that the shipped model can be judged on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from extbuild.train.documents import document_files, document_split, read_documents
from extbuild.train.moderation_data import moderation_file
from extbuild.train.rows import IMPLIED_WEIGHT, LABELS, Row, Split, read_rows, split_of, text_key


def moderation_line(row: Row) -> str:
    """`{"text", "labels", "source"}`; a label that is unknown or only implied is null."""
    labels = {
        name: int(target >= 0.5) if weight > IMPLIED_WEIGHT else None
        for name, target, weight in zip(LABELS, row.targets, row.weights, strict=True)
    }
    return json.dumps({"text": row.text, "labels": labels, "source": row.source})


def held_out_lines(name: str, folder: Path, split: Split) -> Iterator[str]:
    """The lines of one split of the `moderation` or `completion` data."""
    if name == "moderation":
        for row in read_rows(moderation_file(folder)):
            if split_of(text_key(row.text)) == split:
                yield moderation_line(row)
        return
    for path in document_files(folder):
        for document in read_documents(path):
            if document_split(document) == split:
                yield json.dumps({"text": document})


def write_split(name: str, folder: Path, split: Split, out: Path) -> int:
    """Write the split to `out`; gives the number of lines."""
    out.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with out.open("w", encoding="utf-8") as stream:
        for line in held_out_lines(name, folder, split):
            stream.write(line + "\n")
            count += 1
    return count
