"""Cutting a WordPiece vocabulary down: which tokens stay, and the tokenizer file that holds them.

WordPiece takes the longest piece that matches, so a subset that keeps every single character
still encodes every word: only into more pieces.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def is_basic_character(token: str) -> bool:
    """True for a single Latin or Cyrillic letter, digit, punctuation mark or symbol, `##` or not.

    Cyrillic stays because its letters stand in for Latin ones in texts that dodge a filter.
    """
    body = token.removeprefix("##") if len(token) > 2 else token
    if len(body) != 1:
        return False
    category = unicodedata.category(body)
    if category[0] in "PS" or category == "Nd":
        return ord(body) < 0x3000
    if category[0] != "L":
        return False
    return unicodedata.name(body, "").startswith(("LATIN", "CYRILLIC"))


def frequent_symbols(texts: Iterable[str], vocabulary: Mapping[str, int], least: int) -> list[str]:
    """Emoji and other symbols that occur at least `least` times and have no token, sorted.

    BERT's vocabulary has no emoji; glued to a word one would turn the whole word into [UNK].
    """
    counts = Counter(c for text in texts for c in text if ord(c) > 0x7F)
    return sorted(
        c
        for c, count in counts.items()
        if count >= least and c not in vocabulary and unicodedata.category(c) in ("So", "Sk")
    )


def symbol_tokens(symbols: Iterable[str]) -> list[str]:
    """Both tokens of each symbol: alone and glued to what stands before it."""
    return [token for symbol in symbols for token in (symbol, f"##{symbol}")]


def kept_tokens(vocabulary: Mapping[str, int], counts: Mapping[str, float], size: int) -> list[str]:
    """The `size` tokens that stay: specials, basic characters, then the most frequent.

    Order: specials first (so [PAD] is 0), the rest by old id. Fewer than `size` only when the
    vocabulary itself is smaller.
    """
    specials = [token for token in SPECIAL_TOKENS if token in vocabulary]
    chosen = set(specials)
    chosen.update(token for token in vocabulary if is_basic_character(token))
    if len(chosen) > size:
        raise ValueError(f"kept_tokens: {len(chosen)} characters do not fit into {size} tokens")
    ranked = sorted(vocabulary, key=lambda token: (-counts.get(token, 0.0), vocabulary[token]))
    for token in ranked:
        if len(chosen) >= size:
            break
        if not token.startswith("[unused"):
            chosen.add(token)
    rest = sorted(chosen - set(specials), key=lambda token: vocabulary[token])
    return specials + rest


def trimmed_tokenizer(original: Mapping[str, Any], tokens: Sequence[str]) -> dict[str, Any]:
    """The `tokenizer.json` content with only `tokens`; no truncation, no padding.

    The template post-processor and the added-token list get the new ids.
    """
    new_id = {token: at for at, token in enumerate(tokens)}
    trimmed = dict(original)
    trimmed["truncation"] = None
    trimmed["padding"] = None
    trimmed["added_tokens"] = [
        {**entry, "id": new_id[entry["content"]]}
        for entry in original["added_tokens"]
        if entry["content"] in new_id
    ]
    processor = dict(original["post_processor"])
    processor["special_tokens"] = {
        token: {**entry, "ids": [new_id[token]]}
        for token, entry in processor["special_tokens"].items()
    }
    trimmed["post_processor"] = processor
    trimmed["model"] = {**original["model"], "vocab": new_id}
    return trimmed
