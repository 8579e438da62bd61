import json
from pathlib import Path

import pytest

from extbuild.errors import DataError
from extbuild.train.card import refresh_card, source_table, source_tables, with_region

SOURCES = """# Data
## moderation
| source | rows (weak) | toxic | repository @ commit | licence | notes |
|---|---|---|---|---|---|
| davidson | 24188 (0) | 1/2 | a/b @ c1 | MIT | x |

text
| file | documents | raw MB | repository @ commit | licence | what |
|---|---|---|---|---|---|
| completion_x | 5 | 1.0 | d/e @ f2 | CC0 | y |
"""

CARD = (
    "# card\n<!-- figures -->\n<!-- /figures -->\nkept\n<!-- sources -->\nold\n<!-- /sources -->\n"
)
CARD += "<!-- files -->\n<!-- /files -->\n"


def test_tables_are_found_with_their_heads() -> None:
    first, second = source_tables(SOURCES)
    assert first[0]["licence"] == "MIT"
    assert second[0]["file"] == "completion_x"


def test_a_card_repeats_name_size_origin_and_licence() -> None:
    assert source_table(SOURCES, "file").splitlines() == [
        "| file | documents | repository @ commit | licence |",
        "| --- | --- | --- | --- |",
        "| completion_x | 5 | d/e @ f2 | CC0 |",
    ]


def test_a_region_is_replaced_and_the_rest_is_kept() -> None:
    card = with_region(CARD, "sources", r"new \1", "card")
    assert "<!-- sources -->\nnew \\1\n<!-- /sources -->" in card
    assert "old" not in card
    assert "kept" in card
    assert with_region(card, "sources", r"new \1", "card") == card


def test_a_card_without_marks_is_an_error() -> None:
    with pytest.raises(DataError, match="<!-- figures -->"):
        with_region("nothing", "figures", "x", "card")


def test_a_card_is_filled_from_a_run(tmp_path: Path) -> None:
    figures = {"bits_per_byte": 1.5, "tokens": 2e6, "steps": 10, "minutes": 3.0}
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    files = [{"name": "completion_x.txt.xz", "bytes": 7, "sha256": "ab"}]
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files, "counts": {}}))
    (tmp_path / "SOURCES.md").write_text(SOURCES)
    card = tmp_path / "MODEL_CARD.md"
    card.write_text(CARD)
    refresh_card("completion", card, tmp_path, tmp_path)
    text = card.read_text()
    assert "| bits per byte, test split | 1.5000 |" in text
    assert "| completion_x.txt.xz | 7 | `ab` |" in text
    assert "| completion_x | 5 |" in text


def test_a_run_that_has_not_finished_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="finished run"):
        refresh_card("moderation", tmp_path / "card", tmp_path, tmp_path)
