"""Moderation as the extension decides it, and the figures of that decision.

The decision is the same as in extension_src/src/worker/moderation.ts, row for row.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extbuild.artifacts import CompiledModel
from extbuild.evaluate.metrics import Interval, mean_defined, roc_auc, wilson_interval
from extbuild.evaluate.rows import Row
from extbuild.evaluate.session import EncoderSession, require_finite
from extbuild.evaluate.settings import ModerationSettings
from extbuild.evaluate.unicode import count_latin_letters, is_letter, well_formed

Progress = Callable[[int, int], None]
"""Told ``(done, total)``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Probabilities by label, and the decision. Abstained: all 0.0 and not flagged."""

    scores: dict[str, float]
    flagged: bool
    abstained: bool


def is_readable(text: str) -> bool:
    """Whether the model, which knows English only, may judge a text.

    There must be letters, and at least half of them of the Latin script.
    """
    letters = sum(map(is_letter, text))
    return letters > 0 and count_latin_letters(text) * 2 >= letters


def windows(ids: Sequence[int], max_tokens: int) -> list[list[int]]:
    """A text longer than the model reads at once, in as few and as equal parts as fit.

    Each part has the special tokens at its ends. A text is as harmful as its worst part.
    """
    if len(ids) <= max_tokens:
        return [list(ids)]
    body = ids[1:-1]
    size = math.ceil(len(body) / math.ceil(len(body) / (max_tokens - 2)))
    return [[ids[0], *body[at : at + size], ids[-1]] for at in range(0, len(body), size)]


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices in batches of neighbours in length; rows x longest row stays within the budget.

    A row longer than the budget is a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if batches and (len(batches[-1]) + 1) * lengths[index] <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def classify(
    compiled: CompiledModel,
    settings: ModerationSettings,
    texts: Sequence[str],
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[Verdict]:
    """A verdict for each text, in order; ``progress`` counts the parts of all texts.

    QualityError if the model gives logits that are not finite.
    """
    tokenizer = Tokenizer.from_str(compiled.tokenizer_json.decode("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    session = EncoderSession(compiled, settings, threads=threads)
    readable = [index for index, text in enumerate(texts) if is_readable(text)]
    parts = [
        (index, part)
        for index in readable
        for part in windows(tokenizer.encode(well_formed(texts[index])).ids, settings.max_tokens)
    ]
    logits = np.full((len(texts), len(settings.labels)), -np.inf, np.float32)
    done = 0
    batches = [
        [parts[at] for at in batch]
        for batch in plan_batches([len(part) for _, part in parts], settings.batch_tokens)
    ]
    results = session.each([[row for _, row in rows] for rows in batches])
    for rows, found in zip(batches, results, strict=True):
        require_finite(compiled.name, found)
        for (index, _), values in zip(rows, found, strict=True):
            logits[index] = np.maximum(logits[index], values)
        done += len(rows)
        if progress is not None:
            progress(done, len(parts))
    abstained = Verdict(dict.fromkeys(settings.labels, 0.0), flagged=False, abstained=True)
    verdicts = [abstained] * len(texts)
    for index in readable:
        verdicts[index] = decide(logits[index], settings)
    return verdicts


def decide(logits: NDArray[np.float32], settings: ModerationSettings) -> Verdict:
    """Sigmoid per label, in float64; flagged if any label reaches its threshold."""
    scores = {
        label: _sigmoid(float(logit)) for label, logit in zip(settings.labels, logits, strict=True)
    }
    flagged = any(scores[label] >= settings.thresholds[label] for label in settings.labels)
    return Verdict(scores, flagged, abstained=False)


def area_by_label(
    verdicts: Sequence[Verdict], rows: Sequence[Row], labels: Sequence[str]
) -> dict[str, float | None]:
    """AUC per label over the rows where it is known, and their ``mean``.

    ``None`` where the rows do not hold both classes. Abstained rows count with a score of 0,
    for that is how the extension treats them.
    """
    areas: dict[str, float | None] = {}
    for label in labels:
        known = [index for index, row in enumerate(rows) if label in row.labels]
        areas[label] = roc_auc(
            [verdicts[index].scores[label] for index in known],
            [int(rows[index].labels[label]) for index in known],
        )
    areas["mean"] = mean_defined(list(areas.values()))
    return areas


@dataclass(frozen=True, slots=True)
class FalsePositives:
    """Share of clean texts that were flagged, with its 95 % interval; ``n`` clean texts."""

    value: float | None
    interval: Interval | None
    n: int


def false_positives(
    verdicts: Sequence[Verdict], rows: Sequence[Row], labels: Sequence[str]
) -> FalsePositives:
    """Over the rows that have a known label of the model and whose known labels are all 0."""
    clean = []
    for verdict, row in zip(verdicts, rows, strict=True):
        marks = [row.labels[label] for label in labels if label in row.labels]
        if marks and not any(marks):
            clean.append(verdict)
    flagged = sum(verdict.flagged for verdict in clean)
    value = flagged / len(clean) if clean else None
    return FalsePositives(value, wilson_interval(flagged, len(clean)), len(clean))


def _sigmoid(logit: float) -> float:
    # exp of a large positive number would overflow; both forms are the same function.
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))
