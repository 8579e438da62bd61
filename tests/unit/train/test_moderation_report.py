import numpy as np
import pytest

from extbuild.train.moderation_report import (
    is_ordinary,
    moderation_figures,
    recommended_thresholds,
)
from extbuild.train.rows import LABELS, Row

TOXIC = LABELS.index("toxic")


def row(source: str, toxic: float, weight: float = 1.0) -> Row:
    targets = [0.0] * len(LABELS)
    targets[TOXIC] = toxic
    return Row("text", source, tuple(targets), (weight,) * len(LABELS))


def logits_of(rows: list[Row], positive: float, negative: float) -> np.ndarray:
    return np.array([[positive if t else negative for t in row.targets] for row in rows])


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (row("benign_reddit", 0.0), True),
        (row("wiki_context", 0.0, weight=0.5), True),
        (row("benign_reddit", 1.0), False),
        (row("benign_reddit", 0.0, weight=0.0), False),
        (row("stormfront", 0.0), False),
    ],
)
def test_ordinary_texts_are_clean_ones_from_everyday_sources(case: Row, expected: bool) -> None:
    assert is_ordinary(case) is expected


def test_thresholds_rise_until_ordinary_texts_pass() -> None:
    rows = [row("benign_docs", 0.0) for _ in range(200)]
    logits = np.full((200, len(LABELS)), -6.0)
    logits[:10, TOXIC] = 2.0
    thresholds = recommended_thresholds(rows, logits)
    assert 0.88 < thresholds["toxic"] <= 0.89
    assert thresholds["threat"] == 0.5


def test_labels_share_the_one_per_cent_when_each_has_its_own_victims() -> None:
    rows = [row("benign_docs", 0.0) for _ in range(1000)]
    logits = np.full((1000, len(LABELS)), -6.0)
    for at in range(len(LABELS)):
        logits[at * 20 : at * 20 + 20, at] = np.linspace(1, 3, 20)
    thresholds = recommended_thresholds(rows, logits)
    limits = np.array([thresholds[name] for name in LABELS])
    flagged = (1 / (1 + np.exp(-logits)) >= limits).any(axis=1).mean()
    assert 0 < flagged <= 0.01


def test_a_perfect_model_has_perfect_figures() -> None:
    rows = [row("benign_docs", 0.0), row("jigsaw", 1.0)] * 30
    logits = logits_of(rows, 6.0, -6.0)
    figures = moderation_figures((rows, logits), (rows, logits))
    assert figures["auc.toxic"] == figures["recall.toxic"] == 1.0
    assert figures["ordinary.flagged"] == figures["flagged.benign_docs"] == 0.0
    assert figures["ordinary.rows"] == figures["positives.toxic"] == 30


def test_a_label_without_positives_has_no_area() -> None:
    rows = [row("benign_docs", 0.0), row("jigsaw", 1.0)] * 30
    figures = moderation_figures((rows, logits_of(rows, 1, -1)), (rows, logits_of(rows, 1, -1)))
    assert "auc.threat" not in figures
    assert figures["auc.mean"] == 1.0
