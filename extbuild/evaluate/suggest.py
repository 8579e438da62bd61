"""Ghost text for the caret: the algorithm of the extension, token for token.

The same as extension_src/src/worker/completion.ts; tests/parity holds the two together.

Token healing: the word under the caret is not given to the model as it stands, since "hel" is
seldom the beginning of the tokens of "hello". Its bytes are taken back, and the first tokens are
chosen among those that spell them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from extbuild.evaluate.session import PREFILL_TOKENS
from extbuild.evaluate.unicode import WHITE_SPACE, is_letter_or_number, well_formed
from extbuild.evaluate.vocabulary import TokenVocabulary

Float32 = NDArray[np.float32]
Silence = Literal["no-context", "nothing", "unsure", "repeats-after"]

HEALED_CHARACTERS = 32
"""Longest word that is healed; a longer one is given to the model as it stands."""

_TRIMMED = "".join(WHITE_SPACE - {"\x85"}) + "\ufeff"
"""What JavaScript's String.trim takes away."""


class Decoder(Protocol):
    """A text that grows; :class:`~extbuild.evaluate.session.DecoderSession` is one."""

    @property
    def capacity(self) -> int:
        """Most tokens of the text."""
        ...

    def rewind(self, ids: Sequence[int]) -> int:
        """Go back to what the text shares with ``ids``, at least one id short; its length."""
        ...

    def append(self, ids: Sequence[int]) -> Float32:
        """Logits ``(vocab,)`` after the last of ``ids``, which are appended."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a suggestion may go; see :class:`~extbuild.config.recipe.CompletionPolicy`."""

    context_tokens: int
    max_new_tokens: int
    max_words: int
    min_confidence: float


@dataclass(frozen=True, slots=True)
class Parts:
    """What a suggestion is made with."""

    decoder: Decoder
    encode: Callable[[str], Sequence[int]]
    vocabulary: TokenVocabulary
    bos_id: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """``text`` to show, with its probability; or no text and the reason for the silence."""

    text: str
    confidence: float
    silence: Silence | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen token and its probability among those that were allowed."""

    id: int
    probability: float


@dataclass(frozen=True, slots=True)
class Draft:
    """A suggestion while its tokens come in.

    ``confidence`` is the product of the probabilities of the tokens that gave ``text``;
    ``end`` the longest length so far at which a word ended with enough confidence, and that.
    """

    text: bytes = b""
    confidence: float = 1.0
    end: tuple[int, float] | None = None


def suggest(before: str, after: str, limits: Limits, parts: Parts) -> Suggestion:
    """What to show between ``before`` and ``after``."""
    head, tail = split_for_healing(well_formed(before))
    if all(character in WHITE_SPACE for character in head + tail):
        return _silent("no-context")
    prompt = _prompt(head, limits, parts)
    room = parts.decoder.capacity - len(prompt)
    draft = _extend(_prefill(prompt, parts), tail, room, limits, parts)
    return _silent("nothing") if draft is None else _shown(draft, well_formed(after))


def split_for_healing(before: str) -> tuple[str, str]:
    """The text before the word under the caret, and that word with one space before it."""
    start = len(before)
    while start > 0 and before[start - 1] not in WHITE_SPACE:
        start -= 1
    if len(before) - start > HEALED_CHARACTERS:
        return before, ""
    if start > 0 and before[start - 1] == " ":
        start -= 1
    return before[:start], before[start:]


def choose_any(logits: Float32) -> Choice:
    """The most probable token, the lowest id of equals; softmax in float64."""
    best = int(np.argmax(logits))
    wide = logits.astype(np.float64)
    return Choice(best, 1 / float(np.exp(wide - wide[best]).sum()))


def choose_fitting(logits: Float32, need: bytes, vocabulary: TokenVocabulary) -> Choice | None:
    """The most probable of the tokens that begin with ``need`` or are a beginning of it.

    Its probability is among these; ``None`` if there are none.
    """
    fitting = [
        index for index in vocabulary.by_first_byte[need[0]] if _fits(vocabulary.bytes[index], need)
    ]
    if not fitting:
        return None
    choice = choose_any(logits[fitting])
    return Choice(fitting[choice.id], choice.probability)


def is_word_byte(byte: int) -> bool:
    """ASCII letter, digit or apostrophe, or any byte of a longer UTF-8 sequence."""
    return bytes([byte]).isalnum() or byte == 0x27 or byte >= 0x80


def count_words(text: bytes) -> int:
    """Number of maximal runs of word bytes."""
    return sum(
        is_word_byte(byte) and (at == 0 or not is_word_byte(text[at - 1]))
        for at, byte in enumerate(text)
    )


def _prompt(head: str, limits: Limits, parts: Parts) -> list[int]:
    """Ids that leave room for the suggestion.

    A longer text loses its beginning, bos first, up to the first sentence that fits: the prompt
    then begins at the same place for a whole sentence of typing, and the cache with it. Without
    such a place it just fits.
    """
    ids = [parts.bos_id, *parts.encode(head)]
    room = min(limits.context_tokens, parts.decoder.capacity) - limits.max_new_tokens
    if len(ids) <= room:
        return ids
    earliest = len(ids) - room
    for start in range(earliest, earliest + room // 2 + 1):
        token = _bytes_of(ids[start - 1], parts.vocabulary)
        if token is not None and token.endswith((b".", b"!", b"?", b"\n")):
            return ids[start:]
    return ids[earliest:]


def _prefill(ids: Sequence[int], parts: Parts) -> Float32:
    at = parts.decoder.rewind(ids)
    while True:
        logits = parts.decoder.append(ids[at : at + PREFILL_TOKENS])
        at += PREFILL_TOKENS
        if at >= len(ids):
            return logits


def _extend(logits: Float32, tail: str, room: int, limits: Limits, parts: Parts) -> Draft | None:
    """Token after token until the text ends, is no longer sure, or has ``room`` tokens.

    A long healed word may take that many. ``None``: nothing was said.
    """
    need = tail.encode("utf-8")
    draft = Draft()
    new_tokens = 0
    while True:
        choice = choose_fitting(logits, need, parts.vocabulary) if need else choose_any(logits)
        if choice is None:
            return None
        token = _bytes_of(choice.id, parts.vocabulary)
        if token is None:
            return _ended(draft, limits)
        fresh, need = token[len(need) :], need[len(token) :]
        if fresh:
            if not is_word_byte(fresh[0]):
                draft = _with_end(draft, limits)
                if _ends_sentence(draft) or count_words(draft.text) >= limits.max_words:
                    return draft
            kept, newline, _ = fresh.partition(b"\n")
            if kept:
                confidence = draft.confidence * choice.probability
                draft = replace(draft, text=draft.text + kept, confidence=confidence)
            if newline:
                return _ended(draft, limits)
            new_tokens += 1
            if draft.confidence < limits.min_confidence or new_tokens == limits.max_new_tokens:
                return draft
        if room == 0:
            return draft
        room -= 1
        logits = parts.decoder.append([choice.id])


def _shown(draft: Draft, after: str) -> Suggestion:
    if draft.end is None:
        return _silent("unsure")
    length, confidence = draft.end
    text = _decode_whole(draft.text[:length]).rstrip(" ")
    if not any(map(is_letter_or_number, text)):
        return _silent("unsure")
    if "<" in text:
        return _silent("nothing")
    if after.lstrip(" ").startswith(text.strip(_TRIMMED)):
        return _silent("repeats-after")
    return Suggestion(text, confidence, None)


def _silent(reason: Silence) -> Suggestion:
    return Suggestion("", 0.0, reason)


def _ended(draft: Draft, limits: Limits) -> Draft | None:
    """The draft after the model itself ended the text; ``None`` if it had said nothing."""
    return _with_end(draft, limits) if draft.text else None


def _with_end(draft: Draft, limits: Limits) -> Draft:
    if draft.confidence < limits.min_confidence:
        return draft
    return replace(draft, end=(len(draft.text), draft.confidence))


def _ends_sentence(draft: Draft) -> bool:
    return draft.text.endswith((b".", b"!", b"?"))


def _bytes_of(index: int, vocabulary: TokenVocabulary) -> bytes | None:
    return vocabulary.bytes[index] if index < len(vocabulary.bytes) else None


def _fits(token: bytes | None, need: bytes) -> bool:
    return token is not None and (token.startswith(need) or need.startswith(token))


def _decode_whole(text: bytes) -> str:
    """The longest beginning that is valid UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        return text[: error.start].decode("utf-8")
