"""Unicode as the extension sees it, for rules that both sides must apply alike.

Letters and numbers follow Python's own Unicode tables; browsers may know a few letters more, which
are recent additions outside the Latin script.
"""

import re
import unicodedata

WHITE_SPACE = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The property White_Space (Unicode 16, PropList.txt); str.isspace knows four more characters."""

_LATIN_LETTERS = (
    (0x41, 0x5A),
    (0x61, 0x7A),
    (0xAA, 0xAA),
    (0xBA, 0xBA),
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x2B8),
    (0x2E0, 0x2E4),
    (0x1D00, 0x1D25),
    (0x1D2C, 0x1D5C),
    (0x1D62, 0x1D65),
    (0x1D6B, 0x1D77),
    (0x1D79, 0x1DBE),
    (0x1E00, 0x1EFF),
    (0x2071, 0x2071),
    (0x207F, 0x207F),
    (0x2090, 0x209C),
    (0x212A, 0x212B),
    (0x2132, 0x2132),
    (0x214E, 0x214E),
    (0x2183, 0x2184),
    (0x2C60, 0x2C7F),
    (0xA722, 0xA787),
    (0xA78B, 0xA7DC),
    (0xA7F1, 0xA7FF),
    (0xAB30, 0xAB5A),
    (0xAB5C, 0xAB64),
    (0xAB66, 0xAB69),
    (0xFB00, 0xFB06),
    (0xFF21, 0xFF3A),
    (0xFF41, 0xFF5A),
    (0x10780, 0x10785),
    (0x10787, 0x107B0),
    (0x107B2, 0x107BA),
    (0x1DF00, 0x1DF1E),
    (0x1DF25, 0x1DF2A),
)
"""First and last code point of each run of ``\\p{L}`` with ``\\p{Script=Latin}`` (Unicode 17)."""

_LATIN = re.compile(
    "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _LATIN_LETTERS) + "]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def is_letter(character: str) -> bool:
    """``\\p{L}``."""
    return unicodedata.category(character)[0] == "L"


def is_letter_or_number(character: str) -> bool:
    """``\\p{L}`` or ``\\p{N}``."""
    return unicodedata.category(character)[0] in "LN"


def count_latin_letters(text: str) -> int:
    """Letters of the Latin script."""
    return len(_LATIN.findall(text))


def well_formed(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, like JavaScript's toWellFormed."""
    return _LONE_SURROGATE.sub("\ufffd", text)
