"""Ghost text over a model that is written down: every rule of the algorithm, one case each."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.evaluate.suggest import (
    Decoder,
    Limits,
    Parts,
    choose_any,
    choose_fitting,
    count_words,
    split_for_healing,
    suggest,
)
from extbuild.evaluate.vocabulary import TokenVocabulary

TOKENS: tuple[bytes | None, ...] = (
    None,
    b" ",
    b"hel",
    b"lo",
    b" hello",
    b" he",
    b"llo",
    b" world",
    b" again",
    b".",
    b"\n",
    b",",
    b" <",
    b"\xc3",
    b"\xa9t",
    b" don",
    b"'t",
    b"!\n",
    b"h",
    b"e",
    b"l",
    b" how",
    b"..",
)
ID = {token: index for index, token in enumerate(TOKENS) if token is not None}
EOS = 0


class Script(Decoder):
    """Gives one distribution after the other, whatever is read: ``{token: probability}``."""

    def __init__(self, steps: Sequence[dict[bytes | None, float]], capacity: int = 96) -> None:
        self._capacity = capacity
        self.steps = list(steps)
        self.read: list[int] = []

    @property
    def capacity(self) -> int:
        return self._capacity

    def rewind(self, ids: Sequence[int]) -> int:
        """Nothing is kept."""
        self.read = []
        return 0

    def append(self, ids: Sequence[int]) -> np.ndarray:
        self.read += ids
        assert len(self.read) <= self.capacity, "the engine would refuse this"
        step = self.steps.pop(0) if self.steps else {None: 1.0}
        rest = (1 - sum(step.values())) / len(TOKENS)
        share = np.full(len(TOKENS), max(rest, 1e-9))
        for token, probability in step.items():
            share[EOS if token is None else ID[token]] += probability
        return np.log(share).astype(np.float32)


def ask(
    before: str, steps: Sequence[dict[bytes | None, float]], after: str = "", **changes: object
) -> tuple[str, str | None]:
    values = {"context_tokens": 64, "max_new_tokens": 8, "max_words": 3, "min_confidence": 0.3}
    parts = Parts(Script(steps), lambda text: [1] * len(text), TokenVocabulary(TOKENS), bos_id=EOS)
    found = suggest(before, after, Limits(**(values | changes)), parts)
    return found.text, found.silence


SURE = 0.95
WORLD = {b" world": SURE}
AGAIN = {b" again": SURE}
STOP = {b".": SURE}
END: dict[bytes | None, float] = {None: SURE}

CASES = [
    ("a word and its end", "x hello", [{b" hello": SURE}, WORLD, END], (" world", None)),
    ("the rest of a word", "x hel", [{b" hello": SURE}, STOP, END], ("lo.", None)),
    ("healed in two tokens", "x hel", [{b" he": 0.9}, {b"llo": SURE}, END], ("lo", None)),
    ("a space is taken back", "x ", [{b" hello": SURE}, END], ("hello", None)),
    ("a line break is not", "x\n", [{b"hel": SURE}, {b"lo": SURE}, END], ("hello", None)),
    ("nothing to go on", " \n ", [WORLD], ("", "no-context")),
    ("nothing at all", "", [WORLD], ("", "no-context")),
    ("the model ends at once", "x hello", [{b" hello": SURE}, END], ("", "nothing")),
    ("a line break ends", "x hello", [{b" hello": SURE}, {b"\n": SURE}], ("", "nothing")),
    (
        "what is before a line break inside a token counts",
        "x hello",
        [{b" hello": SURE}, WORLD, {b"!\n": SURE}],
        (" world!", None),
    ),
    ("too unsure", "x hello", [{b" hello": SURE}, {b" world": 0.2}, END], ("", "unsure")),
    (
        "it ends before the doubt begins",
        "x hello",
        [{b" hello": SURE}, WORLD, {b" again": 0.2}, END],
        (" world", None),
    ),
    (
        "it never ends inside a word",
        "x hello",
        [{b" hello": SURE}, WORLD, {b" don": SURE}, {b"'t": 0.2}],
        (" world", None),
    ),
    (
        "a sentence is enough",
        "x hello",
        [{b" hello": SURE}, WORLD, STOP, AGAIN, END],
        (" world.", None),
    ),
    (
        "three words are enough",
        "x hello",
        [{b" hello": SURE}, WORLD, AGAIN, {b" how": SURE}, WORLD, END],
        (" world again how", None),
    ),
    (
        "punctuation alone is nothing to show",
        "x hello",
        [{b" hello": SURE}, {b",": SURE}, END],
        ("", "unsure"),
    ),
    (
        "placeholders are not shown",
        "x hello",
        [{b" hello": SURE}, {b" <": SURE}, {b"hel": SURE}, END],
        ("", "nothing"),
    ),
    (
        "half a character is cut",
        "x hello",
        [{b" hello": SURE}, WORLD, {b"\xc3": SURE}, END],
        (" world", None),
    ),
    (
        "a character of two tokens is whole",
        "x hello",
        [{b" hello": SURE}, WORLD, {b"\xc3": SURE}, {b"\xa9t": SURE}, END],
        (" world\u00e9t", None),
    ),
    ("no token spells it", "x q", [WORLD], ("", "nothing")),
]


@pytest.mark.parametrize(
    ("before", "steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_suggestions(before: str, steps: list, expected: tuple[str, str | None]) -> None:
    assert ask(before, steps) == expected


def test_what_stands_after_the_caret_is_not_repeated() -> None:
    steps = [{b" hello": SURE}, WORLD, END]
    assert ask("x hello", steps, after="  world is") == ("", "repeats-after")
    assert ask("x hello", steps, after="word") == (" world", None)


def test_tokens_are_limited() -> None:
    steps = [{b" hello": SURE}, *[WORLD] * 9]
    assert ask("x hello", steps, max_new_tokens=3, max_words=9) == (" world world", None)


def test_a_healed_word_that_fills_the_cache_ends_as_unsure() -> None:
    script = Script([{b"h": SURE}, {b"e": SURE}, {b"l": SURE}, {b"l": SURE}], capacity=5)
    parts = Parts(script, lambda text: [1] * len(text), TokenVocabulary(TOKENS), bos_id=EOS)
    found = suggest("x\nhelll", "", Limits(64, 1, 3, 0.3), parts)
    assert found.silence == "unsure"
    assert len(script.read) == script.capacity


def test_healing_asks_among_the_fitting_only() -> None:
    logits = Script([{b" world": 0.9, b" he": 0.06, b" hello": 0.03}]).append([1])
    choice = choose_fitting(logits, b" hel", TokenVocabulary(TOKENS))
    assert choice is not None
    assert TOKENS[choice.id] == b" he"
    fitting = [ID[token] for token in (b" ", b" hello", b" he")]
    share = np.exp(logits.astype(np.float64))
    assert choice.probability == pytest.approx(share[ID[b" he"]] / share[fitting].sum(), rel=1e-6)


def test_the_lowest_id_of_equals_is_chosen() -> None:
    assert choose_any(np.asarray([0, 3, 3, 1], np.float32)).id == 1


@pytest.mark.parametrize(
    ("context", "read"),
    [(64, [EOS, 1, 1, 1]), (11, [1, 1, 1]), (10, [1, 1])],
)
def test_the_start_of_text_is_the_first_to_go(context: int, read: list[int]) -> None:
    script = Script([])
    parts = Parts(script, lambda text: [1] * len(text), TokenVocabulary(TOKENS), bos_id=EOS)
    suggest("abc x", "", Limits(context, 8, 3, 0.3), parts)
    assert script.read[: len(read)] == read


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("see hel", ("see", " hel")),
        ("see ", ("see", " ")),
        ("see  ", ("see ", " ")),
        ("see\n", ("see\n", "")),
        ("see\nhel", ("see\n", "hel")),
        ("see\thel", ("see\t", "hel")),
        ("see\u00a0hel", ("see\u00a0", "hel")),
        ("hel", ("", "hel")),
        ("", ("", "")),
        ("a " + "b" * 32, ("a", " " + "b" * 32)),
        ("a " + "b" * 33, ("a " + "b" * 33, "")),
        ("a " + "\U0001f600" * 32, ("a", " " + "\U0001f600" * 32)),
    ],
)
def test_splitting(before: str, expected: tuple[str, str]) -> None:
    assert split_for_healing(before) == expected


@given(st.text())
def test_splitting_loses_nothing(before: str) -> None:
    head, tail = split_for_healing(before)
    assert head + tail == before


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"", 0), (b" a b", 2), (b"don't", 1), (b"a-b", 2), (b"\xc3\xa9t", 1), (b" ...", 0)],
)
def test_words_are_runs_of_word_bytes(text: bytes, words: int) -> None:
    assert count_words(text) == words
