"""The parts of a model card that come from a run: figures, data files, sources and licences.

A card is written by hand, but for regions between `<!-- NAME -->` and `<!-- /NAME -->`, which
this module fills anew after a training run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from extbuild.errors import DataError
from extbuild.train.rows import LABELS

Figures = Mapping[str, float]

SOURCE_COLUMNS = ("source", "file", "rows (weak)", "documents", "repository @ commit", "licence")
"""Columns of the data folder's SOURCES.md that a card repeats, in their order there."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_region(card: str, name: str, content: str, place: str) -> str:
    """`card` with `content` between the marks of `name`; raises DataError without the marks."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if marked.search(card) is None:
        raise DataError(place, f"must hold <!-- {name} --> and <!-- /{name} -->", found="neither")
    return marked.sub(lambda match: f"{match[1]}{content}\n{match[2]}", card)


def source_tables(sources: str) -> list[list[dict[str, str]]]:
    """The Markdown tables of SOURCES.md as lists of {column: cell}."""
    tables: list[list[dict[str, str]]] = []
    head: list[str] = []
    for line in sources.splitlines():
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not head:
            head = cells
            tables.append([])
        elif not set(line) <= set("|-: "):
            tables[-1].append(dict(zip(head, cells, strict=False)))
    return tables


def source_table(sources: str, first_column: str) -> str:
    """Name, size, origin and licence of the sources in the table that begins so."""
    for rows in source_tables(sources):
        if rows and first_column in rows[0]:
            head = [column for column in SOURCE_COLUMNS if column in rows[0]]
            return table(head, [[row.get(column, "") for column in head] for row in rows])
    raise DataError("SOURCES.md", f"must hold a table with a column {first_column!r}", found="none")


def file_table(manifest: Mapping[str, list[dict[str, object]]]) -> str:
    """Name, size and hash of the data files."""
    rows = [[str(f["name"]), str(f["bytes"]), f"`{f['sha256']}`"] for f in manifest["files"]]
    return table(["file", "bytes", "SHA-256"], rows)


def _cell(figures: Figures, name: str, digits: int) -> str:
    return f"{figures[name]:.{digits}f}" if name in figures else "not measurable"


def moderation_figures_text(figures: Figures) -> str:
    """Tables per label and of texts flagged by mistake."""
    columns = {"auc": 4, "auc_sure": 4, "threshold": 2, "recall": 3, "calibration_error": 3}
    rows = [
        [
            label,
            *(_cell(figures, f"{column}.{label}", n) for column, n in columns.items()),
            _cell(figures, f"positives.{label}", 0),
        ]
        for label in LABELS
    ]
    means = [_cell(figures, f"{column}.mean", 4) for column in ("auc", "auc_sure")]
    rows.append(["mean", *means, "", "", "", ""])
    head = ["label", "AUC", "AUC, sure labels only", "threshold", "recall there"]
    per_label = table([*head, "calibration error", "positives"], rows)
    share = "share with any label at its threshold"
    clean = [["all of them", _cell(figures, "ordinary.flagged", 4)]]
    clean += [
        [name.removeprefix("flagged."), f"{value:.4f}"]
        for name, value in figures.items()
        if name.startswith("flagged.")
    ]
    counted = _cell(figures, "ordinary.rows", 0)
    flagged = table([f"clean texts of ordinary sources ({counted})", share], clean)
    return f"{per_label}\n\n{flagged}\n\n{_effort(figures)}"


def completion_figures_text(figures: Figures) -> str:
    """Bits per byte and what the run cost."""
    bits = _cell(figures, "bits_per_byte", 4)
    tokens = f"{figures['tokens'] / 1e6:.1f} M"
    rows = [["bits per byte, test split", bits], ["tokens read in training", tokens]]
    return f"{table(['figure', 'value'], rows)}\n\n{_effort(figures)}"


def _effort(figures: Figures) -> str:
    steps, minutes = int(figures["steps"]), figures["minutes"]
    return f"Trained for {steps} steps in {minutes:.0f} minutes on one thread of a shared CPU."


def refresh_card(name: str, card: Path, run: Path, data: Path) -> None:
    """Fill the regions `figures`, `files` and `sources` of a card from a run and its data."""
    manifests = sorted(run.glob("**/manifest.json"), key=lambda path: path.stat().st_mtime)
    if not manifests or not (run / "figures.json").is_file():
        raise DataError(str(run), "must hold a finished run", do=f"python -m extbuild.train {name}")
    figures = json.loads((run / "figures.json").read_text(encoding="utf-8"))
    manifest = json.loads(manifests[-1].read_text(encoding="utf-8"))
    sources = (data / "SOURCES.md").read_text(encoding="utf-8")
    is_moderation = name == "moderation"
    regions = {
        "figures": (moderation_figures_text if is_moderation else completion_figures_text)(figures),
        "files": file_table(manifest),
        "sources": source_table(sources, "source" if is_moderation else "file"),
    }
    text = card.read_text(encoding="utf-8")
    for region, content in regions.items():
        text = with_region(text, region, content, str(card))
    card.write_text(text, encoding="utf-8")
