"""Texts that tokenizers stumble over, from a seed: the same list for the same seed, everywhere."""

import random
from collections.abc import Iterator
from pathlib import Path

WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()
SPACES = (" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n ", "\u00a0", "\u2003", "\u3000")
SPACES += ("\u2028", "\u2029", "\u0085", "\u1680", "\u202f", "\u205f", "\x0b", "\x0c", "\r")
JOINERS = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u202e", "\ufe0f")
EMOJI = ("😀", "👍🏽", "👩‍👩‍👧", "🇩🇪", "❤️", "☺", "🏳️‍🌈", "1️⃣", "🫠", "🥺", "🩷", "🫩")
COMBINING = (
    "e\u0301",
    "n\u0303",
    "Z\u0351\u034a",
    "a\u0308\u0304",
    "\u0301",
    "\u0345",
    "क्ष",
    "가",
    "각",
)
#: Code points, cut up so that each part has an equal chance: controls, scripts, symbols, gaps.
RANGES = (
    (0x00, 0x20),
    (0x20, 0x7F),
    (0x7F, 0xA1),
    (0xA1, 0x250),
    (0x250, 0x370),
    (0x370, 0x530),
    (0x530, 0x1000),
    (0x1000, 0x2000),
    (0x2000, 0x2C00),
    (0x2C00, 0x3100),
    (0x3100, 0xA000),
    (0xA000, 0xD7FF),
    (0xE000, 0xF900),
    (0xF900, 0x10000),
    (0x10000, 0x12000),
    (0x1D000, 0x1F000),
    (0x1F000, 0x20000),
    (0x20000, 0x32000),
    (0xE0000, 0xE0200),
)
#: Half of a pair without its other half: strings of JavaScript may hold them.
LONE_SURROGATES = ("\ud800", "\udbff", "\udc00", "\udfff")


def texts(count: int, seed: int) -> list[str]:
    """`count` texts; the first few hundred hold each listed piece alone, the rest are mixtures."""
    rng = random.Random(seed)
    pieces = (*WORDS, *SPACES, *JOINERS, *EMOJI, *COMBINING, *LONE_SURROGATES, "")
    alone = [*pieces, *(f"a{piece}b" for piece in pieces), *(f" {piece} " for piece in pieces)]
    return [*alone, *_mixtures(rng, count - len(alone))][:count]


def _mixtures(rng: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield "".join(_piece(rng) for _ in range(rng.choice((1, 2, 3, 5, 8, 13, 21))))


def _piece(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(WORDS) + rng.choice((" ", " ", " ", "", rng.choice(SPACES)))
    if kind < 0.55:
        return rng.choice(SPACES) * rng.choice((1, 1, 2, 3, 7))
    if kind < 0.65:
        return rng.choice((*JOINERS, *EMOJI, *COMBINING))
    if kind < 0.67:
        return rng.choice("abcXYZäя字\U0001d41a9") * rng.choice((30, 99, 100, 101, 300))
    if kind < 0.68:
        return rng.choice(LONE_SURROGATES)
    low, high = rng.choice(RANGES)
    return "".join(chr(rng.randrange(low, high)) for _ in range(rng.choice((1, 2, 4))))


def well_formed(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, as JavaScript's `toWellFormed` gives it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
