import lzma
from pathlib import Path

import pytest

from extbuild.errors import DataError
from extbuild.train.documents import (
    document_files,
    document_split,
    read_documents,
    repeats_of,
    split_documents,
    without_masks,
)


def test_documents_end_at_a_line_of_the_separator_only() -> None:
    text = "one\n\x1e\ntwo\nlines\n\x1e\n\n\x1e\nin \x1e text\n"
    assert list(split_documents(text)) == ["one", "two\nlines", "in \x1e text"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No mask. At all.", "No mask. At all."),
        ("Look here: <url>. It is good! Ask @user.", "It is good!"),
        ("First line\nCall <phone>\nLast line", "First line\nLast line"),
        ("<num>", ""),
    ],
)
def test_sentences_with_masks_are_dropped(text: str, expected: object) -> None:
    assert without_masks(text) == expected


def test_a_document_stays_in_its_split() -> None:
    splits = [document_split(f"document {n}") for n in range(4000)]
    assert splits == [document_split(f"document {n}") for n in range(4000)]
    assert 15 < splits.count("test") < 75
    assert 5 < splits.count("validation") < 45


def test_weights_turn_into_whole_repeats_with_the_right_mean() -> None:
    once = [repeats_of("completion_reddit", f"d{n}") for n in range(50)]
    half = [repeats_of("completion_irc_ubuntu", f"d{n}") for n in range(1000)]
    assert set(once) == {1}
    assert set(half) == {0, 1}
    assert 400 < sum(half) < 600


def test_documents_are_read_without_masks(tmp_path: Path) -> None:
    path = tmp_path / "completion_x.txt.xz"
    path.write_bytes(lzma.compress(b"Hi <email>.\n\x1e\nHello you.\n"))
    assert document_files(tmp_path) == [path]
    assert list(read_documents(path)) == ["Hello you."]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="completion_"):
        document_files(tmp_path)


def test_a_file_that_is_no_xz_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "completion_x.txt.xz"
    path.write_bytes(b"plain text")
    with pytest.raises(DataError, match="xz-compressed"):
        list(read_documents(path))
