"""Bits per byte and saved keystrokes, on models small enough to check by hand."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.evaluate.completion import Writing, score_ids, total, write_with_help
from extbuild.evaluate.suggest import Suggestion


class Bigram:
    """Logits that depend on the last id alone, so windows cannot change them."""

    def __init__(self, vocab: int) -> None:
        self.table = np.random.default_rng(0).standard_normal((vocab, vocab)).astype(np.float32)
        self.longest = 0

    def logits_from(self, ids: Sequence[int], first: int) -> np.ndarray:
        self.longest = max(self.longest, len(ids))
        return self.table[list(ids)][first:]


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(2, 12))
def test_windows_score_every_token_once(ids: list[int], context: int) -> None:
    model = Bigram(5)
    logits = model.table[[0, *ids[:-1]]] if ids else model.table[:0]
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -sum(math.log(row[index]) for row, index in zip(share, ids, strict=True))
    score = score_ids(model, ids, bos_id=0, context_tokens=context)
    assert score.nats == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert score.top1.tolist() == logits.argmax(-1).tolist()
    assert model.longest <= context


def offer(*texts: str) -> Callable[[str], Suggestion]:
    """One suggestion for each question in turn, then silence."""
    left = list(texts)

    def ask(before: str) -> Suggestion:
        text = left.pop(0) if left else ""
        return Suggestion(text, 0.9, None) if text else Suggestion("", 0.0, "unsure")

    return ask


@pytest.mark.parametrize(
    ("text", "offered", "expected"),
    [
        # Two words: asked after "th", at "cat", after "ca".
        ("the cat", [], Writing(7, 3, 0, 0, 0, 0, 0)),
        ("the cat", ["e cat"], Writing(7, 1, 1, 2, 2, 1, 5)),
        ("the cat", ["e dog"], Writing(7, 3, 1, 2, 1, 1, 1)),
        ("the cat", ["at dog"], Writing(7, 3, 1, 2, 0, 0, 0)),
        # "cat" is not "cats": a word must end where the text's word ends.
        ("the cats", ["", "cat"], Writing(8, 3, 1, 1, 0, 0, 0)),
        ("a b", ["b"], Writing(3, 1, 1, 1, 1, 1, 1)),
        ("", [], Writing()),
    ],
)
def test_a_writer_accepts_what_is_right(text: str, offered: list[str], expected: Writing) -> None:
    assert write_with_help(text, offer(*offered)) == expected


def test_figures_count_the_accepting_key() -> None:
    writing = Writing(
        characters=10,
        asked=4,
        shown=2,
        words_shown=3,
        words_right=2,
        accepts=1,
        accepted_characters=6,
    )
    assert writing.keystrokes_saved == 0.5
    assert writing.shown_rate == 0.5
    assert writing.shown_precision == pytest.approx(2 / 3)


def test_figures_over_nothing_are_nothing() -> None:
    empty = Writing()
    assert (empty.keystrokes_saved, empty.shown_rate, empty.shown_precision) == (None, None, None)


def test_totals_add_up() -> None:
    assert total([Writing(1, 2, 3, 4, 5, 6, 7), Writing(1, 1, 1, 1, 1, 1, 1)]) == Writing(
        2, 3, 4, 5, 6, 7, 8
    )


def test_a_writer_is_asked_only_with_the_text_before_the_caret() -> None:
    asked: list[str] = []

    def ask(before: str) -> Suggestion:
        asked.append(before)
        return Suggestion("", 0.0, "unsure")

    write_with_help("So be it, now", ask)
    assert asked == ["So ", "So be ", "So be it"[:8], "So be it, ", "So be it, no"]
