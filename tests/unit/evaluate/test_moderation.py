"""The moderation decision and its figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.evaluate.metrics import Interval
from extbuild.evaluate.moderation import (
    Verdict,
    area_by_label,
    decide,
    false_positives,
    is_readable,
    plan_batches,
    windows,
)
from extbuild.evaluate.rows import Row
from extbuild.evaluate.settings import ModerationSettings

SETTINGS = ModerationSettings(("toxic", "threat"), {"toxic": 0.5, "threat": 0.9}, 16, 64, 0)


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("You fool", True),
        ("", False),
        ("123 !?", False),
        ("\U0001f600", False),
        ("привет", False),
        ("hi привет", False),
        ("hello мир ok", True),
        ("ab вг", True),
        ("Straße", True),
        ("\uff21\uff22 \uff23", True),
        ("ªº", True),
        ("日本語 a", False),
    ],
)
def test_a_text_is_readable_if_half_of_its_letters_are_latin(text: str, readable: bool) -> None:
    assert is_readable(text) is readable


@pytest.mark.parametrize(
    ("ids", "most", "expected"),
    [
        ([1, 2, 3], 3, [[1, 2, 3]]),
        ([1, 2, 3, 4, 9], 4, [[1, 2, 3, 9], [1, 4, 9]]),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], 5, [[1, 2, 3, 4, 9], [1, 5, 6, 7, 9], [1, 8, 9]]),
        ([1], 8, [[1]]),
    ],
)
def test_a_long_text_is_read_in_equal_parts_between_its_special_tokens(
    ids: list[int], most: int, expected: list[list[int]]
) -> None:
    assert windows(ids, most) == expected


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 256))
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@pytest.mark.parametrize(
    ("logits", "flagged"),
    [([0.0, -9.0], True), ([-0.01, 2.0], False), ([-9.0, 2.3], True), ([-800.0, 800.0], True)],
)
def test_a_label_flags_at_its_threshold(logits: list[float], flagged: bool) -> None:
    verdict = decide(np.asarray(logits, np.float32), SETTINGS)
    assert verdict.flagged is flagged
    assert all(0 <= score <= 1 for score in verdict.scores.values())


def verdict(toxic: float, *, flagged: bool = False) -> Verdict:
    return Verdict({"toxic": toxic, "threat": 0.0}, flagged, abstained=False)


def test_unknown_labels_are_left_out_of_the_area() -> None:
    rows = [Row(1, "a", {"toxic": True}), Row(2, "b", {"toxic": False}), Row(3, "c", {})]
    areas = area_by_label([verdict(0.9), verdict(0.1), verdict(1.0)], rows, SETTINGS.labels)
    assert areas == {"toxic": 1.0, "threat": None, "mean": 1.0}


def test_false_positives_are_counted_over_clean_texts() -> None:
    rows = [
        Row(1, "a", {"toxic": False}),
        Row(2, "b", {"toxic": False, "threat": False}),
        Row(3, "c", {"toxic": True}),
        Row(4, "d", {}),
    ]
    marks = [verdict(0.9, flagged=True), verdict(0.1), verdict(0.9, flagged=True), verdict(0.9)]
    found = false_positives(marks, rows, SETTINGS.labels)
    assert (found.value, found.n) == (0.5, 2)
    assert isinstance(found.interval, Interval)


def test_without_clean_texts_there_is_no_rate() -> None:
    found = false_positives([verdict(0.9)], [Row(1, "a", {"toxic": True})], SETTINGS.labels)
    assert (found.value, found.interval, found.n) == (None, None, 0)
