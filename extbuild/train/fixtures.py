"""Rows of `models/moderation/fixtures/eval.jsonl`, which the build's quality gate judges with.

The committed file is this module's output; a test keeps the two equal.
"""

from __future__ import annotations

import json
from itertools import product

from extbuild.train import fixture_phrases as phrases
from extbuild.train.rows import LABELS


def _filled(templates: tuple[str, ...], **slots: tuple[str, ...]) -> list[str]:
    choices = [dict(zip(slots, values, strict=True)) for values in product(*slots.values())]
    texts = [template.format(**choice) for template, choice in product(templates, choices)]
    return list(dict.fromkeys(texts))


def moderation_rows() -> list[tuple[str, tuple[str, ...]]]:
    """(text, labels that hold) of all rows; the other labels do not hold."""
    groups, names = phrases.GROUPS, phrases.NAMES
    harmless = (
        *_filled(phrases.NEUTRAL, g=groups),
        *_filled(phrases.COUNTER, g=groups),
        *phrases.HARMLESS,
        *phrases.NEGATED,
        *phrases.CRITICAL,
        *phrases.EVERYDAY,
    )
    labelled: list[tuple[list[str], tuple[str, ...]]] = [
        (list(harmless), ()),
        (list(phrases.SWEARING_AT_NOBODY), ("obscene",)),
        (_filled(phrases.HATE, g=groups), ("toxic", "identity_hate")),
        (_filled(phrases.HATE_THREAT, g=groups), ("toxic", "threat", "identity_hate")),
        (_filled(phrases.INSULT, n=names), ("toxic", "insult")),
        (_filled(phrases.OBSCENE_INSULT, n=names), ("toxic", "obscene", "insult")),
        (_filled(phrases.SEVERE, n=names), ("toxic", "severe_toxic", "obscene", "insult")),
        (_filled(phrases.THREAT, n=names, p=phrases.PLACES), ("toxic", "threat")),
    ]
    return [(text, labels) for texts, labels in labelled for text in texts]


def moderation_fixture() -> str:
    """The file's content: one JSON object with text and all six labels per line.

    Whether swearing at nobody is toxic is a matter of taste, so there the label is null.
    """
    lines = []
    for text, held in moderation_rows():
        labels: dict[str, int | None] = {name: int(name in held) for name in LABELS}
        if text in phrases.SWEARING_AT_NOBODY:
            labels["toxic"] = None
        lines.append(json.dumps({"text": text, "labels": labels}) + "\n")
    return "".join(lines)
