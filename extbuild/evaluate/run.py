"""Evaluating compiled models: the gate's figures on fixtures, and ``inv eval`` on any file."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extbuild.artifacts import CompiledModel
from extbuild.errors import DataError
from extbuild.evaluate.completion import Writer, Writing, total
from extbuild.evaluate.metrics import bits_per_byte
from extbuild.evaluate.moderation import (
    Progress,
    Verdict,
    area_by_label,
    classify,
    false_positives,
)
from extbuild.evaluate.parallel import judge_texts
from extbuild.evaluate.rows import Row, evenly, read_rows
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings, Settings

GATE_MODERATION_ROWS = 600
GATE_COMPLETION_ROWS = 24
GATE_COMPLETION_CHARACTERS = 1200
"""Fixtures beyond these are thinned evenly: a gate has to answer in seconds."""


def measure(
    before: CompiledModel,
    after: CompiledModel,
    settings: Settings,
    fixtures: Path,
    progress: Callable[[str], None] | None = None,
) -> tuple[dict[str, float], dict[str, float]]:
    """The gate's metrics of both models on the fixtures.

    Moderation: ``auc_mean``, ``auc_<label>`` where the fixtures hold both classes, and
    ``agreement``, the share of texts with the same decision (1 before). Completion:
    ``bits_per_byte`` and ``top1_agreement``, the share of positions with the same likeliest token.
    """
    tell = progress or (lambda _: None)
    if isinstance(settings, ModerationSettings):
        return _measure_moderation(before, after, settings, fixtures, tell)
    return _measure_completion(before, after, settings, fixtures, tell)


def evaluate_file(
    name: str,
    compiled: CompiledModel,
    settings: Settings,
    data: Path,
    *,
    progress: Progress | None = None,
    max_rows: int | None = None,
    max_chars: int | None = None,
    processes: int | None = None,
) -> dict[str, object]:
    """The result of ``inv eval``, ready for JSON; rows in the order of the file.

    ``max_rows`` takes only the first rows, ``max_chars`` only the beginning of each text that a
    writer is simulated for; ``processes`` is one per core unless given. Raises
    DataError with the line of a malformed row.
    """
    if isinstance(settings, ModerationSettings):
        rows = read_rows(data, labelled=True, max_rows=max_rows)
        texts = [row.text for row in rows]
        verdicts = classify(
            compiled,
            settings,
            texts,
            threads=processes or len(os.sched_getaffinity(0)),
            progress=progress,
        )
        return _moderation_result(name, data, settings, rows, verdicts)
    rows = read_rows(data, labelled=False, max_rows=max_rows)
    texts = [row.text for row in rows]
    judged = judge_texts(compiled, settings, texts, max_chars=max_chars, processes=processes)
    return _completion_result(name, rows, judged, progress)


def _measure_moderation(
    before: CompiledModel,
    after: CompiledModel,
    settings: ModerationSettings,
    fixtures: Path,
    tell: Callable[[str], None],
) -> tuple[dict[str, float], dict[str, float]]:
    every = read_rows(fixtures, labelled=True)
    rows = [every[index] for index in evenly(len(every), GATE_MODERATION_ROWS)]
    texts = [row.text for row in rows]
    tell("before")
    old = classify(before, settings, texts)
    tell("after")
    new = classify(after, settings, texts)
    same = sum(one.flagged == two.flagged for one, two in zip(old, new, strict=True))
    return (
        {**_areas(old, rows, settings), "agreement": 1.0},
        {**_areas(new, rows, settings), "agreement": same / len(rows)},
    )


def _areas(
    verdicts: Sequence[Verdict], rows: Sequence[Row], settings: ModerationSettings
) -> dict[str, float]:
    areas = area_by_label(verdicts, rows, settings.labels)
    order = ["mean", *settings.labels]
    return {f"auc_{name}": area for name in order if (area := areas[name]) is not None}


def _measure_completion(
    before: CompiledModel,
    after: CompiledModel,
    settings: CompletionSettings,
    fixtures: Path,
    tell: Callable[[str], None],
) -> tuple[dict[str, float], dict[str, float]]:
    rows = read_rows(fixtures, labelled=False)
    texts = [
        rows[index].text[:GATE_COMPLETION_CHARACTERS]
        for index in evenly(len(rows), GATE_COMPLETION_ROWS)
    ]
    tell("before")
    old_bits, old_top = _score_all(Writer(before, settings), texts)
    tell("after")
    new_bits, new_top = _score_all(Writer(after, settings), texts)
    if old_bits is None or new_bits is None:
        raise DataError(str(fixtures), "holds no text", do="write some texts into it")
    same = float(np.mean(old_top == new_top))
    return (
        {"bits_per_byte": old_bits, "top1_agreement": 1.0},
        {"bits_per_byte": new_bits, "top1_agreement": same},
    )


def _score_all(writer: Writer, texts: Sequence[str]) -> tuple[float | None, NDArray[np.int64]]:
    scores = [writer.score(text) for text in texts]
    size = sum(_utf8_bytes(text) for text in texts)
    tops = np.concatenate([score.top1 for score in scores])
    return bits_per_byte(math.fsum(score.nats for score in scores), size), tops


def _moderation_result(
    name: str,
    data: Path,
    settings: ModerationSettings,
    rows: Sequence[Row],
    verdicts: Sequence[Verdict],
) -> dict[str, object]:
    given = {label for row in rows for label in row.labels}
    if given and not given & set(settings.labels):
        raise DataError(
            f'{data}: "labels"',
            f"must use the model's labels {', '.join(settings.labels)}",
            found=", ".join(sorted(given)),
        )
    clean = false_positives(verdicts, rows, settings.labels)
    return {
        "name": name,
        "rows_total": len(rows),
        "labels_ignored": sorted(given - set(settings.labels)),
        "auc": area_by_label(verdicts, rows, settings.labels),
        "false_positive_rate": {
            "value": clean.value,
            "low": clean.interval.low if clean.interval else None,
            "high": clean.interval.high if clean.interval else None,
            "n": clean.n,
        },
        "rows": [
            {
                "scores": verdict.scores,
                "flagged": verdict.flagged,
                "abstained": verdict.abstained,
            }
            for verdict in verdicts
        ],
    }


def _completion_result(
    name: str,
    rows: Sequence[Row],
    judged: Iterable[tuple[float, Writing]],
    progress: Progress | None,
) -> dict[str, object]:
    nats: list[float] = []
    writings: list[Writing] = []
    results: list[dict[str, object]] = []
    for done, (row, (row_nats, writing)) in enumerate(zip(rows, judged, strict=True), start=1):
        nats.append(row_nats)
        writings.append(writing)
        bits = bits_per_byte(row_nats, _utf8_bytes(row.text))
        results.append({"bits_per_byte": bits, **_figures(writing)})
        if progress is not None:
            progress(done, len(rows))
    size = sum(_utf8_bytes(row.text) for row in rows)
    return {
        "name": name,
        "rows_total": len(rows),
        "bits_per_byte": bits_per_byte(math.fsum(nats), size),
        **_figures(total(writings)),
        "rows": results,
    }


def _figures(writing: Writing) -> dict[str, object]:
    return {
        "keystrokes_saved": writing.keystrokes_saved,
        "shown_precision": writing.shown_precision,
        "shown_rate": writing.shown_rate,
    }


def _utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
