"""Text variants that keep the label: plain style, mask words, and ways to dodge a filter.

Every function takes its own `random.Random`, so a run repeats exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

LEET = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7", "g": "9", "b": "8"}

HOMOGLYPHS = {
    "a": "\u0430",
    "c": "\u0441",
    "e": "\u0435",
    "i": "\u0456",
    "o": "\u043e",
    "p": "\u0440",
    "x": "\u0445",
    "y": "\u0443",
}
"""Latin to Cyrillic letters of the same look (Unicode TR 39 confusables)."""

MASKS = re.compile(r"<(?:url|email|phone|num|number|user)>|@user\b", re.IGNORECASE)

_REAL = {
    "<url>": ("http://t.co/x9", "https://example.org/a/page", "www.example.com"),
    "<email>": ("someone@example.com",),
    "<phone>": ("555 0134",),
    "<num>": ("7", "42", "1999"),
    "<number>": ("3", "18", "2012"),
    "<user>": ("@sam_w", "@jo88", "@maria"),
    "@user": ("@sam_w", "@jo88", "@maria"),
}


@dataclass(frozen=True)
class AugmentShares:
    """Chance of each variant per reading of a row."""

    plain: float = 0.2
    masks_replaced: float = 0.5
    obfuscated_harmful: float = 0.12
    obfuscated_benign: float = 0.04


def plain_style(text: str) -> str:
    """Lower case without punctuation: the style of the sources that lost both."""
    kept = "".join(c if c.isalnum() or c in "'<>@" else " " for c in text.lower())
    return " ".join(kept.split())


def real_masks(text: str, random: Random) -> str:
    """Privacy masks dropped or replaced by made-up values, as a page would show them."""

    def value(match: re.Match[str]) -> str:
        return random.choice((*_REAL[match.group().lower()], ""))

    return " ".join(MASKS.sub(value, text).split(" "))


def _leet(word: str, random: Random) -> str:
    return "".join(
        random.choice(LEET[c.lower()]) if c.lower() in LEET and random.random() < 0.6 else c
        for c in word
    )


def _homoglyph(word: str, random: Random) -> str:
    return "".join(HOMOGLYPHS[c] if c in HOMOGLYPHS and random.random() < 0.5 else c for c in word)


def _spaced(word: str, random: Random) -> str:
    return random.choice((" ", ".", "-", "_", "*")).join(word)


def _stretched(word: str, random: Random) -> str:
    at = random.randrange(len(word))
    return word[:at] + word[at] * random.randint(2, 5) + word[at + 1 :]


def _starred(word: str, random: Random) -> str:
    at = random.randrange(1, len(word) - 1)
    return word[:at] + random.choice("*#-") + word[at + 1 :]


def _swapped(word: str, random: Random) -> str:
    at = random.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


VARIANTS = (_leet, _homoglyph, _spaced, _stretched, _starred, _swapped)


def obfuscated(text: str, random: Random) -> str:
    """Some of the longer words of `text` written so that a word list would miss them."""
    words = text.split(" ")
    long_words = [at for at, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if not long_words:
        return text
    count = min(len(long_words), random.randint(1, 1 + len(long_words) // 4))
    for at in random.sample(long_words, count):
        words[at] = random.choice(VARIANTS)(words[at], random)
    return " ".join(words)


def augmented(text: str, is_harmful: bool, random: Random, shares: AugmentShares) -> str:
    """One random reading of `text` for training."""
    if random.random() < shares.masks_replaced:
        text = real_masks(text, random)
    if random.random() < shares.plain:
        text = plain_style(text) or text
    share = shares.obfuscated_harmful if is_harmful else shares.obfuscated_benign
    return obfuscated(text, random) if random.random() < share else text
