import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.evaluate.metrics import (
    bits_per_byte,
    expected_calibration_error,
    false_positive_rate,
    mean_defined,
    mid_ranks,
    roc_auc,
    threshold_at_rate,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # the worked example of scikit-learn
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([5, 5, 5, 5], [0, 1, 0, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 0.875),
        ([1, 2], [1, 1], None),
        ([1, 2], [0, 0], None),
        ([], [], None),
    ],
)
def test_roc_auc_counts_pairs_and_half_of_ties(
    scores: list[float], labels: list[int], expected: object
) -> None:
    assert roc_auc(scores, labels) == expected


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40).filter(
        lambda cases: len({label for _, label in cases}) == 2
    )
)
def test_roc_auc_equals_the_share_of_pairs_in_order(cases: list[tuple[int, bool]]) -> None:
    positives = [score for score, label in cases if label]
    negatives = [score for score, label in cases if not label]
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    found = roc_auc([score for score, _ in cases], [label for _, label in cases])
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_roc_auc_refuses_scores_that_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="NaN"):
        roc_auc([0.5, float("nan")], [0, 1])


def test_roc_auc_refuses_lists_of_different_length() -> None:
    with pytest.raises(ValueError, match="3 scores for 2 labels"):
        roc_auc([1, 2, 3], [0, 1])


def test_mid_ranks_share_the_mean_of_tied_places() -> None:
    assert mid_ranks([10, 20, 20, 5]).tolist() == [2.0, 3.5, 3.5, 1.0]


def test_wilson_interval_matches_the_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263, Wilson without continuity correction.
    interval = wilson_interval(81, 263, z=1.959964)
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@given(st.integers(1, 500), st.data())
def test_wilson_interval_holds_the_share_and_stays_a_probability(
    n: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson_interval(successes, n)
    assert interval is not None
    assert 0.0 <= interval.low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= interval.high <= 1.0


def test_wilson_interval_of_no_cases_is_undefined() -> None:
    assert wilson_interval(0, 0) is None


def test_bits_per_byte_of_a_uniform_guess_over_bytes_is_eight() -> None:
    assert bits_per_byte(100 * math.log(256), 100) == pytest.approx(8.0)


def test_bits_per_byte_of_nothing_is_undefined() -> None:
    assert bits_per_byte(0.0, 0) is None


@given(
    st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=60),
    st.floats(0, 1, allow_nan=False),
)
def test_threshold_keeps_the_rate_and_is_the_lowest_such_score(
    scores: list[float], max_rate: float
) -> None:
    threshold = threshold_at_rate(scores, max_rate)
    rate = false_positive_rate(scores, threshold)
    assert rate is not None
    assert rate <= max_rate + 1e-9
    below = [score for score in scores if score < threshold]
    if below:
        looser = false_positive_rate(scores, max(below))
        assert looser is not None
        assert looser > max_rate


def test_calibration_error_is_zero_when_shares_match_and_one_when_all_is_wrong() -> None:
    assert expected_calibration_error([0.5, 0.5], [0, 1]) == pytest.approx(0.0)
    assert expected_calibration_error([1.0, 0.0], [0, 1]) == pytest.approx(1.0)
    assert expected_calibration_error([], []) is None


def test_mean_leaves_out_what_is_undefined() -> None:
    assert mean_defined([1.0, None, 3.0]) == 2.0
    assert mean_defined([None]) is None
    assert np.isfinite(mean_defined([0.0]) or 0.0)
