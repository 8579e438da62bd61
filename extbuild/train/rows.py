"""Labelled rows for the moderation model: reading, merging duplicates, splitting, weighting.

A row keeps one target and one weight per label. A weight of 0 masks the label out of the loss:
that is how an unknown label (`null` in the file) is told from a known 0.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from extbuild.errors import DataError

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

Split = Literal["train", "validation", "test"]

WEAK_WEIGHT = 0.5
"""Rows labelled by rule or by machine count half."""

IMPLIED_WEIGHT = 0.3
"""A text known to be non-toxic is, almost by definition, no threat and no hate."""

IMPLIED_BY_CLEAN = ("severe_toxic", "threat", "insult", "identity_hate")

Floats = tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One text with targets and weights in the order of `LABELS`; weight 0 = unknown."""

    text: str
    source: str
    targets: Floats
    weights: Floats

    def is_positive(self, label: str) -> bool:
        """True when `label` is known to hold."""
        at = LABELS.index(label)
        return self.weights[at] > 0 and self.targets[at] >= 0.5


def text_key(text: str) -> str:
    """What two copies of a text share: its letters and digits in lower case.

    Carriers lower-cased and stripped some copies, so equality has to look through that.
    """
    letters = "".join(c if c.isalnum() else " " for c in text.lower())
    return " ".join(letters.split()) or text.strip()


def split_of(key: str, validation_percent: int = 4, test_percent: int = 4) -> Split:
    """The split of a text, from a hash of its key alone: stable when data is added."""
    bucket = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % 100
    if bucket < validation_percent:
        return "validation"
    return "test" if bucket < validation_percent + test_percent else "train"


def parse_row(line: str, place: str) -> Row:
    """One JSON line as a `Row`; raises DataError that names the line."""
    try:
        raw = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(place, "must be one JSON object per line", found=str(error)) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str):
        raise DataError(place, 'must hold a string "text"', found=line[:60])
    labels = raw.get("labels")
    if not isinstance(labels, dict):
        raise DataError(place, 'must hold an object "labels"', found=line[:60])
    known = [labels.get(name) for name in LABELS]
    for name, value in zip(LABELS, known, strict=True):
        if value not in (0, 1, None):
            raise DataError(f"{place}: labels.{name}", "must be 0, 1 or null", found=repr(value))
    weight = WEAK_WEIGHT if raw.get("weak") else 1.0
    return with_implied(
        Row(
            text=raw["text"],
            source=str(raw.get("source", "unknown")),
            targets=tuple(float(value or 0) for value in known),
            weights=tuple(0.0 if value is None else weight for value in known),
        )
    )


def with_implied(row: Row) -> Row:
    """Fill labels that follow from others: severe implies toxic, clean implies no threat."""
    toxic = LABELS.index("toxic")
    targets, weights = list(row.targets), list(row.weights)
    if row.is_positive("severe_toxic") and weights[toxic] == 0:
        targets[toxic], weights[toxic] = 1.0, IMPLIED_WEIGHT
    if weights[toxic] > 0 and targets[toxic] == 0:
        for name in IMPLIED_BY_CLEAN:
            at = LABELS.index(name)
            if weights[at] == 0:
                weights[at] = IMPLIED_WEIGHT * weights[toxic]
    return replace(row, targets=tuple(targets), weights=tuple(weights))


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows with equal keys made one: per label the weighted mean of what the copies say.

    Keeps the longest text (the copy with case and punctuation) and the first position.
    """
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(text_key(row.text), []).append(row)
    return [copies[0] if len(copies) == 1 else _merge(copies) for copies in by_key.values()]


def _merge(copies: list[Row]) -> Row:
    best = max(copies, key=lambda row: (len(row.text), max(row.weights)))
    targets, weights = [], []
    for at in range(len(LABELS)):
        total = sum(row.weights[at] for row in copies)
        mean = sum(row.weights[at] * row.targets[at] for row in copies) / total if total else 0.0
        targets.append(mean)
        weights.append(max(row.weights[at] for row in copies))
    return replace(best, targets=tuple(targets), weights=tuple(weights))


def read_rows(path: Path) -> list[Row]:
    """All rows of an xz-compressed JSON-lines file, duplicates merged."""
    return merged(_parsed(path))


def _parsed(path: Path) -> Iterator[Row]:
    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield parse_row(line, f"{path.name}:{number}")
    except FileNotFoundError as error:
        raise DataError(
            str(path), "training data is missing", do="point --data at the folder that holds it"
        ) from error
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            str(path), "must be xz-compressed UTF-8", found=str(error), do="copy the file again"
        ) from error


def by_split(rows: Iterable[Row]) -> dict[Split, list[Row]]:
    """The rows of each split; texts with equal keys always fall into the same one."""
    splits: dict[Split, list[Row]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        splits[split_of(text_key(row.text))].append(row)
    return splits
