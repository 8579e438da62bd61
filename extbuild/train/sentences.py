"""Sentences written for this project that show the moderation model what the data sets lack.

Identity words in neutral text, negated and quoted harm, swearing at nobody, violent words in
harmless talk; and threats, insults and hate in many wordings. Mild on purpose: the groups are
named plainly and slurs are left to the data sets.
"""

from __future__ import annotations

from itertools import product
from random import Random

from extbuild.train.phrases import (
    COUNTER,
    FRIENDLY,
    GROUPS,
    HARMLESS_VIOLENCE,
    HATE,
    HATE_THREAT,
    INSULTS,
    NEUTRAL,
    SEVERE,
    SWEARING_AT_NOBODY,
    SWEARING_INSULTS,
    THREATS,
    THREATS_YOU,
    WHO,
)
from extbuild.train.rows import LABELS, Row

SOURCE = "own_sentences"

OPENINGS = ("", "", "", "", "Honestly, ", "Look, ", "lol ", "Hey, ", "And by the way, ", "@user ")
ENDINGS = ("", "", "", "", "!", "!!", " lol", ".", "...", " Just saying.")


def _labels(*names: str) -> tuple[float, ...]:
    return tuple(float(name in names) for name in LABELS)


def _plain_cases() -> list[tuple[str, tuple[float, ...]]]:
    clean = _labels()
    hate = _labels("toxic", "identity_hate")
    cases = [(template.format(g=g), clean) for template, g in product(NEUTRAL + COUNTER, GROUPS)]
    cases += [(template.format(g=g), hate) for template, g in product(HATE, GROUPS)]
    cases += [
        (template.format(g=g), _labels("toxic", "threat", "identity_hate"))
        for template, g in product(HATE_THREAT, GROUPS)
    ]
    cases += [(t.format(w=w), _labels("toxic", "threat")) for t, w in product(THREATS, WHO)]
    cases += [(text, _labels("toxic", "threat")) for text in THREATS_YOU]
    cases += [(text, _labels("toxic", "insult")) for text in INSULTS]
    cases += [(text, _labels("toxic", "obscene", "insult")) for text in SWEARING_INSULTS]
    cases += [(text, _labels("toxic", "severe_toxic", "obscene", "insult")) for text in SEVERE]
    # The data sets call swearing obscene whoever is meant; whether it is toxic is left open below.
    cases += [(text, _labels("obscene")) for text in SWEARING_AT_NOBODY]
    return cases + [(text, clean) for text in (*HARMLESS_VIOLENCE, *FRIENDLY)]


REPEATS_OF_SINGLE = 4
"""Sentences without a slot are rarer than filled templates, so they come more often."""


def own_rows(seed: int, weight: float = 0.7) -> list[Row]:
    """All sentences as training rows, each with a random opening and ending."""
    random = Random(seed)
    rows = []
    singles = {*HARMLESS_VIOLENCE, *FRIENDLY, *INSULTS, *SWEARING_INSULTS, *SEVERE}
    singles |= {*SWEARING_AT_NOBODY, *THREATS_YOU}
    for text, targets in _plain_cases():
        weights = [weight] * len(LABELS)
        if text in SWEARING_AT_NOBODY:
            weights[LABELS.index("toxic")] = 0.0
        for _ in range(REPEATS_OF_SINGLE if text in singles else 1):
            ending = "" if text.endswith((".", "!", "?")) else random.choice(ENDINGS)
            dressed = random.choice(OPENINGS) + text + ending
            rows.append(Row(dressed, SOURCE, targets, tuple(weights)))
    return rows
