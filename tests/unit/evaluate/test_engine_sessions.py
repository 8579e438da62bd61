"""Sessions on the engine: the answers of native onnxruntime, whatever was asked before."""

from dataclasses import replace

import numpy as np
import pytest

from extbuild.artifacts import CompiledModel, Task
from extbuild.evaluate import on_engine
from extbuild.evaluate.moderation import classify
from extbuild.evaluate.rows import read_rows
from extbuild.evaluate.session import DecoderSession, EncoderSession
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings
from tests.unit.evaluate.conftest import Tiny

NEAR = 0.02
"""Of the spread: activations are rounded to 8 bits, see evaluate/golden.py."""


def _on_engine(model: Tiny) -> CompiledModel:
    return replace(model.reference, engine=model.variants["relaxed"], ort=None)


def _assert_near(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= NEAR * np.ptp(expected)


def test_an_encoder_agrees_with_onnxruntime(tiny: dict[Task, Tiny]) -> None:
    model = tiny["moderation"]
    assert isinstance(model.settings, ModerationSettings)
    rows = [[2, 9, 8, 7, 6, 3], [2, 40, 3], [2, 5, 5, 5, 5, 5, 5, 5, 5, 3]]
    engine = EncoderSession(_on_engine(model), model.settings)
    native = EncoderSession(model.reference, model.settings)
    _assert_near(engine.logits(rows), native.logits(rows))


def test_instances_side_by_side_keep_the_order(tiny: dict[Task, Tiny]) -> None:
    model = tiny["moderation"]
    assert isinstance(model.settings, ModerationSettings)
    texts = [row.text for row in read_rows(model.fixtures, labelled=True)] * 4
    one = classify(_on_engine(model), model.settings, texts)
    assert classify(_on_engine(model), model.settings, texts, threads=3) == one


def test_a_text_that_grows_and_shrinks_agrees_with_onnxruntime(tiny: dict[Task, Tiny]) -> None:
    model = tiny["completion"]
    assert isinstance(model.settings, CompletionSettings)
    engine = DecoderSession(_on_engine(model), model.settings)
    native = DecoderSession(model.reference, model.settings)
    for text in ([0, 5, 6, 7, 8], [0, 5, 6, 9], [0, 5, 6, 9, 10, 11], [0, 30], [0, 30]):
        kept = engine.rewind(text)
        assert kept == native.rewind(text)
        _assert_near(engine.append(text[kept:]), native.append(text[kept:]))


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 16 tokens: the tiny model reads 64 at most."""
    monkeypatch.setattr(on_engine, "RUN_TOKENS", 16)


@pytest.mark.parametrize("first", [0, 3, 50])
def test_a_text_longer_than_a_run_is_scored_in_pieces(
    tiny: dict[Task, Tiny], first: int, short_runs: None
) -> None:
    model = tiny["completion"]
    assert isinstance(model.settings, CompletionSettings)
    engine = DecoderSession(_on_engine(model), model.settings)
    native = DecoderSession(model.reference, model.settings)
    growing = engine.append([0, 1, 2])
    ids = [0, *(7 * at % 50 for at in range(59))]
    _assert_near(engine.logits_from(ids, first), native.logits_from(ids, first))
    engine.rewind([0, 1, 2])
    assert (engine.append([2]) == growing).all()


def test_a_longer_prompt_than_a_run_is_appended_in_pieces(
    tiny: dict[Task, Tiny], short_runs: None
) -> None:
    model = tiny["completion"]
    assert isinstance(model.settings, CompletionSettings)
    ids = [0, *(7 * at % 50 for at in range(59))]
    engine = DecoderSession(_on_engine(model), model.settings)
    native = DecoderSession(model.reference, model.settings)
    _assert_near(engine.append(ids), native.append(ids))
