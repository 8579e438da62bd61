import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from extbuild.train.wordpiece import (
    SPECIAL_TOKENS,
    frequent_symbols,
    is_basic_character,
    kept_tokens,
    symbol_tokens,
    trimmed_tokenizer,
)

WORDS = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "!"]
WORDS += ["ab", "##ab", "abab", "baba", "\u4e2d"]


def full() -> Tokenizer:
    tokenizer = Tokenizer(
        models.WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    tokenizer.enable_truncation(4)
    return tokenizer


def vocabulary() -> dict[str, int]:
    return {word: at for at, word in enumerate(WORDS)}


@pytest.mark.parametrize(
    ("token", "expected"),
    [("a", True), ("##a", True), ("\u0430", True), ("7", True), ("##!", True), ("#", True),
     ("##", False), ("ab", False), ("\u4e2d", False), ("\u05d0", False)],
)  # fmt: skip
def test_basic_characters_are_what_any_english_word_is_made_of(
    token: str, expected: object
) -> None:
    assert is_basic_character(token) is expected


def test_the_most_frequent_tokens_stay_after_specials_and_characters() -> None:
    kept = kept_tokens(vocabulary(), {"baba": 5, "ab": 9, "[unused1]": 99}, size=12)
    assert kept == [*SPECIAL_TOKENS, "a", "b", "##a", "##b", "!", "ab", "baba"]


def test_characters_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        kept_tokens(vocabulary(), {}, size=7)


def test_the_trimmed_tokenizer_encodes_the_same_text_in_more_pieces() -> None:
    import json

    kept = kept_tokens(vocabulary(), {"ab": 9}, size=11)
    trimmed = Tokenizer.from_str(json.dumps(trimmed_tokenizer(json.loads(full().to_str()), kept)))
    tokens = trimmed.encode("abab baba!").tokens
    assert tokens == ["[CLS]", "ab", "##a", "##b", "b", "##a", "##b", "##a", "!", "[SEP]"]
    assert trimmed.encode("abab").ids[0] == kept.index("[CLS]")
    assert trimmed.get_vocab_size() == len(kept)


def test_only_frequent_symbols_without_a_token_get_one() -> None:
    texts = ["\U0001f600 \U0001f600 \u20ac \u00e9\u00e9", "x\U0001f600 \U0001f4a9"]
    assert frequent_symbols(texts, {}, least=2) == ["\U0001f600"]
    assert frequent_symbols(texts, {"\U0001f600": 1}, least=2) == []


def test_a_symbol_gets_a_token_alone_and_one_behind_a_word() -> None:
    assert symbol_tokens("\u2713") == ["\u2713", "##\u2713"]
