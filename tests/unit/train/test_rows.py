import json
import lzma
from pathlib import Path

import pytest

from extbuild.errors import DataError
from extbuild.train.rows import (
    IMPLIED_WEIGHT,
    LABELS,
    WEAK_WEIGHT,
    Row,
    by_split,
    merged,
    parse_row,
    read_rows,
    split_of,
    text_key,
)


def line(
    text: str = "hello there", source: str = "s", weak: bool = False, **labels: int | None
) -> str:
    known = dict.fromkeys(LABELS) | labels
    return json.dumps({"text": text, "labels": known, "source": source, "weak": weak})


def column(row: Row, label: str) -> tuple[float, float]:
    at = LABELS.index(label)
    return row.targets[at], row.weights[at]


def test_an_unknown_label_has_no_weight() -> None:
    row = parse_row(line(toxic=1), "f:1")
    assert column(row, "toxic") == (1.0, 1.0)
    assert column(row, "threat") == (0.0, 0.0)


def test_a_weak_row_counts_less() -> None:
    assert column(parse_row(line(toxic=1, weak=True), "f:1"), "toxic") == (1.0, WEAK_WEIGHT)


def test_a_clean_text_is_taken_for_no_threat_with_a_small_weight_but_may_swear() -> None:
    row = parse_row(line(toxic=0), "f:1")
    assert column(row, "threat") == (0.0, IMPLIED_WEIGHT)
    assert column(row, "obscene") == (0.0, 0.0)


def test_severe_implies_toxic_when_toxic_is_unknown() -> None:
    assert column(parse_row(line(severe_toxic=1), "f:1"), "toxic") == (1.0, IMPLIED_WEIGHT)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{", "one JSON object per line"),
        ("[]", '"text"'),
        ('{"text": "a"}', '"labels"'),
        (line(toxic=2), r"labels\.toxic: must be 0, 1 or null, got 2"),
    ],
)
def test_a_broken_line_is_named(broken: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_row(broken, "rows:7")
    assert str(caught.value).startswith("rows:7")


def test_case_and_punctuation_do_not_tell_copies_apart() -> None:
    assert text_key("You, Sir, are GREAT!") == text_key("you sir are great")
    assert text_key("!!!") == "!!!"


def test_copies_become_one_row_that_keeps_the_richer_text_and_all_labels() -> None:
    rows = merged(
        [parse_row(line("you fool", insult=1), "f:1"), parse_row(line("You fool!", toxic=1), "f:2")]
    )
    assert len(rows) == 1
    assert rows[0].text == "You fool!"
    assert column(rows[0], "insult") == (1.0, 1.0)
    assert column(rows[0], "toxic") == (1.0, 1.0)


def test_copies_that_disagree_meet_at_their_weighted_mean() -> None:
    strong, weak = parse_row(line(toxic=1), "f:1"), parse_row(line(toxic=0, weak=True), "f:2")
    target, _ = column(merged([strong, weak])[0], "toxic")
    assert target == pytest.approx(1.0 / 1.5)


def test_a_text_and_its_plain_copy_fall_into_the_same_split() -> None:
    rows = [parse_row(line(f"Text, number {n}!"), "f:1") for n in range(300)]
    plain = [parse_row(line(f"text number {n}"), "f:1") for n in range(300)]
    one, other = by_split(rows), by_split(plain)
    assert {text_key(r.text) for r in one["test"]} == {text_key(r.text) for r in other["test"]}


def test_splits_have_about_their_shares() -> None:
    found = [split_of(str(n)) for n in range(5000)]
    assert 120 < found.count("validation") < 280
    assert 120 < found.count("test") < 280


def test_rows_are_read_from_xz(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(lzma.compress(f"{line('a')}\n\n{line('b')}\n".encode()))
    assert [row.text for row in read_rows(path)] == ["a", "b"]


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="point --data"):
        read_rows(tmp_path / "none.jsonl.xz")


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(lzma.compress(line().encode() * 200)[:-20])
    with pytest.raises(DataError, match="xz-compressed"):
        read_rows(path)
