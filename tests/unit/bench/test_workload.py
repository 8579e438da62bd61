import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from extbuild.bench.workload import prompt_of, text_of
from extbuild.errors import DataError


def tokenizer_of(*words: str) -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate(("[CLS]", "[SEP]", "[UNK]", *words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return tokenizer


@pytest.mark.parametrize("tokens", [8, 64])
def test_a_text_has_exactly_the_tokens_that_were_asked_for(tokens: int) -> None:
    tokenizer = tokenizer_of("the", "window", "gar", "##den")
    assert len(tokenizer.encode(text_of(tokenizer, tokens, 1)).ids) == tokens


def test_texts_differ_by_seed_and_repeat_for_one() -> None:
    tokenizer = tokenizer_of("the", "and", "for", "you")
    texts = {text_of(tokenizer, 64, seed) for seed in (1, 2, 3, 3)}
    assert len(texts) == 3


def test_prompts_end_alike_and_begin_differently() -> None:
    tokenizer = tokenizer_of("the", "and", "for", "you", "school", "street", "music")
    one, other = (prompt_of(tokenizer, 40, seed) for seed in (0, 8))
    assert one.split(maxsplit=1)[0] != other.split(maxsplit=1)[0]
    assert one.endswith("Thank you very much for your")
    assert other.endswith("Thank you very much for your")


def test_a_tokenizer_of_no_everyday_words_is_refused() -> None:
    with pytest.raises(DataError, match="none of the everyday words"):
        text_of(tokenizer_of("zyx"), 8, 0)
