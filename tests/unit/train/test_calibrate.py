import numpy as np
import pytest

from extbuild.train.calibrate import Floats, Platt, fit_platt, sigmoid, thresholds_for


def labelled(scale: float, bias: float, count: int = 20000) -> tuple[Floats, Floats]:
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, count)
    targets = (random.random(count) < sigmoid(scale * logits + bias)).astype(float)
    return logits, targets


def test_platt_finds_the_scale_and_bias_behind_the_labels() -> None:
    logits, targets = labelled(scale=0.6, bias=-1.5)
    found = fit_platt(logits, targets, np.ones_like(logits))
    assert found.scale == pytest.approx(0.6, abs=0.05)
    assert found.bias == pytest.approx(-1.5, abs=0.07)


def test_rows_of_unknown_label_do_not_count() -> None:
    logits, targets = labelled(scale=1.0, bias=0.0)
    weights = np.ones_like(logits)
    wrong = np.concatenate([targets, 1 - targets])
    both = np.concatenate([logits, logits])
    masked = np.concatenate([weights, np.zeros_like(weights)])
    assert fit_platt(both, wrong, masked) == fit_platt(logits, targets, weights)


def test_one_class_alone_leaves_the_logits_as_they_are() -> None:
    assert fit_platt(np.arange(4.0), np.ones(4), np.ones(4)) == Platt(1.0, 0.0)


def test_a_useless_score_never_turns_around() -> None:
    logits, targets = labelled(scale=-2.0, bias=0.0)
    assert fit_platt(logits, targets, np.ones_like(logits)).scale > 0


def test_thresholds_keep_their_rate_and_their_bounds() -> None:
    benign = {"a": np.linspace(0, 0.8, 1000), "b": np.full(10, 0.1), "c": np.full(10, 0.999)}
    assert thresholds_for(benign, 0.01, lowest=0.5) == {"a": 0.8, "b": 0.5, "c": 0.98}


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
