"""Reading evaluation data: one JSON object per line, every fault named by its line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from extbuild.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its text, and for moderation its known labels; an unknown label is absent."""

    line: int
    text: str
    labels: Mapping[str, bool]


def read_rows(file: Path, *, labelled: bool, max_rows: int | None = None) -> list[Row]:
    """The rows of a ``.jsonl`` file in order; blank lines are passed over.

    ``labelled`` asks for ``labels`` in every row: an object of label to 0, 1 or null, where null
    means that nobody knows. Keys other than ``text`` and ``labels`` are ignored.
    """
    if not file.is_file():
        raise DataError(str(file), "is missing", do="give a .jsonl file, one JSON object per line")
    rows: list[Row] = []
    for number, line in _lines(file):
        if max_rows is not None and len(rows) == max_rows:
            break
        rows.append(_row(f"{file}: line {number}", number, line, labelled))
    if not rows:
        raise DataError(str(file), "holds no rows", do="give one JSON object per line")
    return rows


def evenly(count: int, most: int) -> list[int]:
    """Indices of at most ``most`` of ``count`` things, evenly spread, the same at every call."""
    if count <= most:
        return list(range(count))
    return [index * count // most for index in range(most)]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(file.read_bytes().split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: line {number}", "must be UTF-8 text") from error
        if line.strip():
            yield number, line


def _row(place: str, number: int, line: str, labelled: bool) -> Row:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise DataError(place, f"is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(place, "must be a JSON object", found=type(value).__name__)
    text = value.get("text")
    if not isinstance(text, str):
        raise DataError(f'{place}: "text"', "must be a string", found=_shown(text))
    return Row(number, text, _labels(place, value.get("labels")) if labelled else {})


def _labels(place: str, value: object) -> dict[str, bool]:
    if not isinstance(value, dict):
        raise DataError(
            f'{place}: "labels"', "must be an object of 0, 1 or null", found=_shown(value)
        )
    known: dict[str, bool] = {}
    for name, mark in value.items():
        if mark is None:
            continue
        if mark not in (0, 1):
            raise DataError(
                f'{place}: "labels"."{name}"', "must be 0, 1 or null", found=_shown(mark)
            )
        known[str(name)] = bool(mark)
    return known


def _shown(value: object) -> str:
    text = json.dumps(value)
    return "nothing" if value is None else text if len(text) < 60 else text[:57] + "..."
