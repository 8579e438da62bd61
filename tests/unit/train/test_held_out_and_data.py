import json
import lzma
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest

from extbuild.errors import DataError
from extbuild.train.augment import AugmentShares
from extbuild.train.byte_pairs import END_OF_TEXT, END_OF_TEXT_ID, trained_tokenizer
from extbuild.train.cli import main
from extbuild.train.completion_data import load_completion_data
from extbuild.train.held_out import write_split
from extbuild.train.moderation_data import Batch, load_splits, make_batch, training_batches
from extbuild.train.rows import LABELS, Row

SAYING = "the cat sat on a warm mat and looked at seven small birds in our green garden"
WORDS = SAYING.split(" ")


def sentence(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randint(4, 20))) + "."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = Random(5)
    labels = dict.fromkeys(LABELS, 0)
    lines = [
        json.dumps({"text": sentence(random), "labels": labels | {"threat": n % 2 and None}})
        for n in range(300)
    ]
    (tmp_path / "moderation.jsonl.xz").write_bytes(lzma.compress("\n".join(lines).encode()))
    documents = "\n\x1e\n".join(sentence(random) for _ in range(1500))
    (tmp_path / "completion_x.txt.xz").write_bytes(lzma.compress(documents.encode()))
    return tmp_path


def rows_of(count: int) -> list[Row]:
    zeros = tuple(0.0 for _ in LABELS)
    random = Random(1)
    return [Row(sentence(random), "s", zeros, zeros) for _ in range(count)]


def test_byte_pairs_give_back_any_text_and_put_the_separator_first() -> None:
    tokenizer = trained_tokenizer([sentence(Random(n)) for n in range(50)], vocab_size=300)
    assert tokenizer.token_to_id(END_OF_TEXT) == END_OF_TEXT_ID
    for text in ["the cat", "Zo\u00eb \U0001f600\n\n  12345 don't", ""]:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode(" the cat").tokens[0].startswith("\u0120")


def test_the_held_out_split_is_written_with_unknown_labels_as_null(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out/rows.jsonl"
    assert write_split("moderation", folder, "test", out) > 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["labels"]["threat"] for row in rows} == {0, None}
    held = {row["text"] for row in rows}
    trained = {row.text for row in load_splits(folder, seed=1)["train"]}
    assert not held & trained


def test_the_held_out_documents_are_not_in_the_training_stream(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out/documents.jsonl"
    assert write_split("completion", folder, "test", out) > 0
    data = load_completion_data(folder, tmp_path / "work", vocab_size=300, seed=1)
    trained = data.tokenizer.decode(data.streams["train"].tolist(), skip_special_tokens=False)
    documents = trained.split(END_OF_TEXT)
    for line in out.read_text().splitlines():
        assert json.loads(line)["text"] not in documents


def test_token_streams_are_made_once(folder: Path, tmp_path: Path) -> None:
    first = load_completion_data(folder, tmp_path / "work", vocab_size=300, seed=1)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    again = load_completion_data(folder, tmp_path / "work", vocab_size=300, seed=1)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    assert np.array_equal(first.streams["test"], again.streams["test"])
    assert first.bytes == again.bytes


def test_too_few_labelled_rows_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "moderation.jsonl.xz").write_bytes(lzma.compress(b""))
    with pytest.raises(DataError, match="must hold enough rows"):
        load_splits(tmp_path, seed=1)


def test_a_batch_is_padded_with_zeros_and_masked() -> None:
    batch = make_batch(rows_of(2), [[2, 9, 3], [2, 8, 8, 8, 3]])
    assert batch.ids.shape == (2, 8)
    assert batch.mask.sum(axis=1).tolist() == [3, 5]
    assert batch.ids[0, 3:].tolist() == [0] * 5
    assert batch.targets.shape == batch.weights.shape == (2, len(LABELS))


def test_resumed_training_batches_go_on_exactly() -> None:
    rows = rows_of(200)
    tokenizer = trained_tokenizer([row.text for row in rows], vocab_size=300)

    def stream(position: int) -> Iterator[tuple[int, Batch]]:
        return training_batches(rows, tokenizer, AugmentShares(), 128, 64, 3, position)

    whole = [batch.ids.tolist() for _, batch in islice(stream(0), 40)]
    position = [at for at, _ in islice(stream(0), 25)][-1]
    rest = [batch.ids.tolist() for _, batch in islice(stream(position), 15)]
    assert whole[25:] == rest


def test_the_command_line_names_missing_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "export-split",
        "moderation",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(arguments) == 1
    assert "training data is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["moderation"], 1), (["nothing", "--data", "data"], 1), (["--help"], 0)],
)
def test_the_command_line_tells_how_it_is_used(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr()
    assert "usage: python -m extbuild.train" in printed.out + printed.err


def test_the_command_line_refuses_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moderation", "--data", "data", "--max-minutes", "0"]) == 1
    assert "--max-minutes: must be positive" in capsys.readouterr().err
