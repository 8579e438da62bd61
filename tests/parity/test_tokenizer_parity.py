"""The worker's token ids are those of Python's `tokenizers`, on texts made to trip it up."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from extbuild.source.synthetic import write_tiny_completion, write_tiny_moderation
from tests.node import ROOT, node_json
from tests.parity import fuzz

SCRIPT = Path(__file__).parent / "tokenize.ts"
FUZZ_TEXTS = 20_000
SHIPPED = ("moderation", "completion")


def ids_in_worker(tokenizer: Path, texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = json.loads(
        node_json(SCRIPT, json.dumps({"tokenizer": str(tokenizer), "texts": texts}))
    )
    return ids


def assert_same_ids(tokenizer: Path, texts: Sequence[str]) -> None:
    python = Tokenizer.from_file(str(tokenizer))
    expected = python.encode_batch([fuzz.well_formed(text) for text in texts])
    found = ids_in_worker(tokenizer, texts)
    wrong = [
        f"{text!a}: Python {want.ids}, worker {got}"
        for text, want, got in zip(texts, expected, found, strict=True)
        if want.ids != got
    ]
    shortest = sorted(wrong, key=len)[:5]
    assert not wrong, f"{len(wrong)} of {len(texts)} texts differ, e.g.\n" + "\n".join(shortest)


@pytest.fixture(scope="module")
def byte_level_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2's own pre-tokeniser, with merges learned from fuzz texts, odd spaces and all."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=6000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(fuzz.well_formed, fuzz.texts(4000, seed=5)), trainer)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(file))
    return file


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tokenizers_give_the_same_ids_on_fuzz_texts(name: str) -> None:
    assert_same_ids(
        ROOT / "models" / name / "source" / "tokenizer.json", fuzz.texts(FUZZ_TEXTS, seed=1)
    )


@pytest.mark.parametrize("write", [write_tiny_moderation, write_tiny_completion])
def test_synthetic_tokenizers_give_the_same_ids_on_fuzz_texts(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path)
    assert_same_ids(tmp_path / "tokenizer.json", fuzz.texts(4000, seed=2))


def test_gpt2_words_are_cut_the_same(byte_level_tokenizer: Path) -> None:
    assert_same_ids(byte_level_tokenizer, fuzz.texts(FUZZ_TEXTS, seed=3))


def each_code_point(context: str) -> Iterator[str]:
    """Planes 0 and 1 in full, which hold all but ideographs; every 31st of the others."""
    points = (*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, 31))
    for start in range(0, len(points), 64):
        yield " ".join(context.replace("?", chr(point)) for point in points[start : start + 64])


@pytest.mark.parametrize(("name", "context"), [("moderation", "a?b ??"), ("completion", "a?b")])
def test_each_code_point_of_unicode_is_cut_the_same(name: str, context: str) -> None:
    tokenizer = ROOT / "models" / name / "source" / "tokenizer.json"
    assert_same_ids(tokenizer, list(each_code_point(context)))
