import json
from pathlib import Path

import pytest

from extbuild.train.fixtures import moderation_fixture, moderation_rows
from extbuild.train.rows import LABELS, text_key
from extbuild.train.sentences import own_rows

MODELS = Path(__file__).parents[3] / "models"


def test_own_sentences_repeat_with_their_seed_and_fill_every_slot() -> None:
    rows = own_rows(seed=1)
    assert rows == own_rows(seed=1)
    assert not any("{" in row.text for row in rows)


@pytest.mark.parametrize("label", LABELS)
def test_own_sentences_show_every_label_both_ways(label: str) -> None:
    at = LABELS.index(label)
    targets = {row.targets[at] for row in own_rows(seed=1) if row.weights[at] > 0}
    assert targets == {0.0, 1.0}


def test_the_committed_moderation_fixture_is_the_generators() -> None:
    path = MODELS / "moderation/fixtures/eval.jsonl"
    assert path.read_text(encoding="utf-8") == moderation_fixture()


def test_the_moderation_fixture_is_balanced_and_has_every_label() -> None:
    rows = moderation_rows()
    harmful = [labels for _, labels in rows if labels]
    assert len(rows) >= 240
    assert 0.4 < len(harmful) / len(rows) < 0.6
    for label in LABELS:
        assert sum(label in labels for labels in harmful) >= 10, label
    assert len({text for text, _ in rows}) == len(rows)


def test_no_fixture_text_is_trained_on() -> None:
    trained = {text_key(row.text) for row in own_rows(seed=20)}
    assert not trained & {text_key(text) for text, _ in moderation_rows()}


def test_the_completion_fixture_holds_ordinary_texts_of_some_length() -> None:
    path = MODELS / "completion/fixtures/eval.jsonl"
    texts = [json.loads(row)["text"] for row in path.read_text(encoding="utf-8").splitlines()]
    assert len(texts) >= 60
    assert len(set(texts)) == len(texts)
    assert all(200 <= len(text) <= 600 for text in texts)
