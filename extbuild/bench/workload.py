"""Texts of known length, different in every run so that no cache can answer.

Everyday words, drawn with a seed: the models' time depends on the number of tokens and not on what
they say.
"""

from random import Random

from tokenizers import Tokenizer

from extbuild.errors import DataError

_EVERYDAY = (
    "the and for you that with have this will your from they know want been good much some "
    "time very when come here just like long make many more only over such take than them "
    "well were work year about after again every first found great house large learn never "
    "other place plant point right small sound spell still study their there these thing "
    "think three water where which world would write people number school little always "
    "morning letter friend garden summer window market paper river street music dinner"
)


def text_of(tokenizer: Tokenizer, tokens: int, seed: int) -> str:
    """Words that ``tokenizer`` makes exactly ``tokens`` tokens of, special tokens included."""
    specials = tokenizer.num_special_tokens_to_add(is_pair=False)
    whole = [word for word in _EVERYDAY.split() if _is_whole(tokenizer, word)]
    if not whole:
        raise DataError("tokenizer.json", "has none of the everyday words as one token")
    draw = Random(seed)
    return " ".join(draw.choice(whole) for _ in range(tokens - specials))


def _is_whole(tokenizer: Tokenizer, word: str) -> bool:
    """Whether the word is one token that stands for it, and not for words that are unknown."""
    ids = tokenizer.encode(f" {word}", add_special_tokens=False).ids
    return len(ids) == 1 and bool(tokenizer.decode(ids).strip() == word)


def _length(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


OPENINGS = (
    "Thank you very much for your",
    "I am looking forward to",
    "Please let me know if you have any",
    "I hope this email finds you",
    "We would like to invite you to",
    "It was a pleasure to meet you",
    "Could you please send me the",
    "I will get back to you as soon as",
)


def prompt_of(tokenizer: Tokenizer, tokens: int, seed: int) -> str:
    """About ``tokens`` tokens that end in a beginning of a sentence that people write often.

    The words before it differ by ``seed`` from the first on, so that no cached prefix fits.
    """
    opening = OPENINGS[seed % len(OPENINGS)]
    before = text_of(tokenizer, max(1, tokens - _length(tokenizer, opening)), seed)
    return f"{before.capitalize()}. {opening}"
