"""What a decoder is worth: bits per byte of a text, and keystrokes that its ghost text saves."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extbuild.artifacts import CompiledModel
from extbuild.evaluate.session import DecoderSession
from extbuild.evaluate.settings import CompletionSettings
from extbuild.evaluate.suggest import Limits, Parts, Suggestion, suggest
from extbuild.evaluate.unicode import WHITE_SPACE, well_formed
from extbuild.evaluate.vocabulary import token_vocabulary

_WORD = re.compile(r"[A-Za-z0-9'\u0080-\U0010ffff]+")
CHARACTERS_BEFORE = 4000
"""As much as the extension sends of the text before the caret (``LIMITS.charactersBefore``)."""
LETTERS_BEFORE_PAUSE = 2
"""A writer is asked for at the start of a word, and again after this many characters of it."""


class Scorer(Protocol):
    """Gives logits after the ids of a text; DecoderSession is one."""

    def logits_from(self, ids: Sequence[int], first: int) -> NDArray[np.float32]:
        """``(len(ids) - first, vocab)``, after ``ids[first]`` and each later one."""
        ...


@dataclass(frozen=True, slots=True)
class TextScore:
    """``nats`` is the sum of -ln p over the text's tokens; ``top1`` the likeliest id at each."""

    nats: float
    top1: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Writing:
    """Counts of one simulated writing; see :func:`write_with_help`."""

    characters: int = 0
    asked: int = 0
    shown: int = 0
    words_shown: int = 0
    words_right: int = 0
    accepts: int = 0
    accepted_characters: int = 0

    @property
    def keystrokes_saved(self) -> float | None:
        """Share of characters that need not be typed; an accept costs one keystroke."""
        saved = self.accepted_characters - self.accepts
        return saved / self.characters if self.characters else None

    @property
    def shown_precision(self) -> float | None:
        """Share of the words shown that the writer was about to write."""
        return self.words_right / self.words_shown if self.words_shown else None

    @property
    def shown_rate(self) -> float | None:
        """Share of the pauses at which something was shown."""
        return self.shown / self.asked if self.asked else None


class Writer:
    """A model with what its evaluation needs: encoding, scoring, suggesting."""

    def __init__(
        self, compiled: CompiledModel, settings: CompletionSettings, *, threads: int = 1
    ) -> None:
        tokenizer = Tokenizer.from_str(compiled.tokenizer_json.decode("utf-8"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._settings = settings
        self._encode: Callable[[str], list[int]] = lambda text: tokenizer.encode(text).ids
        self._session = DecoderSession(compiled, settings, threads=threads)
        self._parts = Parts(
            decoder=self._session,
            encode=self._encode,
            vocabulary=token_vocabulary(compiled.tokenizer_json),
            bos_id=settings.bos_id,
        )
        self._limits = Limits(
            context_tokens=settings.context_tokens,
            max_new_tokens=settings.max_new_tokens,
            max_words=settings.max_words,
            min_confidence=settings.min_confidence,
        )

    def score(self, text: str) -> TextScore:
        """How probable the model finds a text."""
        ids = self._encode(well_formed(text))
        return score_ids(self._session, ids, self._settings.bos_id, self._settings.context_tokens)

    def suggest(self, before: str) -> Suggestion:
        """The ghost text at the end of ``before``."""
        return suggest(before, "", self._limits, self._parts)


def score_ids(scorer: Scorer, ids: Sequence[int], bos_id: int, context_tokens: int) -> TextScore:
    """Score a whole text in overlapping windows of ``context_tokens``.

    After the first window each moves on by half, and only its second half counts, so that every
    token but the first few sees at least half a context. The end of the text is not scored.
    """
    whole = [bos_id, *ids]
    nats, top1 = 0.0, [np.empty(0, np.int64)]
    done, start = 0, 0
    while done < len(ids):
        window = whole[start : start + context_tokens]
        targets = np.asarray(whole[done + 1 : start + len(window) + 1], np.int64)
        # The last id of the text predicts nothing that is there.
        logits = scorer.logits_from(window, done - start)[: len(targets)].astype(np.float64)
        top1.append(logits.argmax(axis=-1))
        peak = logits.max(axis=-1)
        log_sum = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=-1))
        nats += float((log_sum - logits[np.arange(len(targets)), targets]).sum())
        done += len(targets)
        start = done + 1 - max(context_tokens // 2, 1)
    return TextScore(nats, np.concatenate(top1))


def write_with_help(text: str, ask: Callable[[str], Suggestion]) -> Writing:
    """Simulate a writer of ``text`` who is offered ghost text.

    The writer pauses at the start of each word, and after :data:`LETTERS_BEFORE_PAUSE` characters
    of it. A suggestion whose first word is right is accepted up to its last right word; a wrong
    one is typed over. Nothing is asked before the first word.
    """
    writing = Writing(characters=len(text))
    cursor = 0
    for start, end in _runs(text):
        for at in (start, start + LETTERS_BEFORE_PAUSE):
            if at < max(cursor, 1) or at >= end:
                continue
            offered = ask(text[max(0, at - CHARACTERS_BEFORE) : at])
            right = _right_ends(offered.text, text[at:])
            writing = Writing(
                characters=writing.characters,
                asked=writing.asked + 1,
                shown=writing.shown + (offered.text != ""),
                words_shown=writing.words_shown + len(_WORD.findall(offered.text)),
                words_right=writing.words_right + len(right),
                accepts=writing.accepts + bool(right),
                accepted_characters=writing.accepted_characters + (right[-1] if right else 0),
            )
            if right:
                cursor = at + right[-1]
    return writing


def total(writings: Iterable[Writing]) -> Writing:
    """The counts of several writings together."""
    sums = [0] * 7
    for writing in writings:
        counts = (
            writing.characters,
            writing.asked,
            writing.shown,
            writing.words_shown,
            writing.words_right,
            writing.accepts,
            writing.accepted_characters,
        )
        sums = [mine + theirs for mine, theirs in zip(sums, counts, strict=True)]
    return Writing(*sums)


def _runs(text: str) -> list[tuple[int, int]]:
    """Start and end of each maximal run of characters that are not white space."""
    runs: list[tuple[int, int]] = []
    start: int | None = None
    for at, character in enumerate([*text, " "]):
        if character in WHITE_SPACE:
            if start is not None:
                runs.append((start, at))
            start = None
        elif start is None:
            start = at
    return runs


def _right_ends(offered: str, coming: str) -> list[int]:
    """Lengths of ``offered`` at which a word ends that ``coming`` has, and ends, as well."""
    ends = [match.end() for match in _WORD.finditer(offered)]
    return [
        end
        for end in ends
        if coming.startswith(offered[:end]) and not _WORD.match(coming, end, end + 1)
    ]
