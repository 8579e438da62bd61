from itertools import islice
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.train.batches import cut, length_batches, padded_length
from extbuild.train.pack import batches_from, packed, window_count, windows


def test_documents_are_packed_between_separators() -> None:
    assert packed([[5, 6], [7]], separator=0).tolist() == [0, 5, 6, 0, 7, 0]


def test_windows_overlap_by_the_one_token_that_is_only_a_target() -> None:
    stream = np.arange(10, dtype=np.uint16)
    assert window_count(10, 4) == 2
    assert window_count(9, 4) == 2
    assert window_count(8, 4) == 1
    assert windows(stream, 4, np.array([0, 1])).tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]


def test_one_pass_reads_every_window_once() -> None:
    batches = list(islice(batches_from(0, count=10, batch=5, seed=1), 2))
    assert sorted(np.concatenate([chosen for _, chosen in batches]).tolist()) == list(range(10))


def test_a_resumed_stream_goes_on_exactly() -> None:
    whole = [chosen.tolist() for _, chosen in islice(batches_from(0, 20, 3, seed=4), 15)]
    position = [at for at, _ in islice(batches_from(0, 20, 3, seed=4), 8)][-1]
    rest = [chosen.tolist() for _, chosen in islice(batches_from(position, 20, 3, seed=4), 7)]
    assert whole[8:] == rest


def test_too_few_windows_for_a_batch_are_an_error() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        next(batches_from(0, 2, 3, seed=1))


@given(st.lists(st.integers(2, 128), max_size=60), st.integers(0, 99))
def test_batches_hold_each_text_once_and_stay_within_their_tokens(
    lengths: list[int], seed: int
) -> None:
    batches = length_batches(lengths, max_tokens=256, random=Random(seed))
    assert sorted(at for batch in batches for at in batch) == list(range(len(lengths)))
    for batch in batches:
        width = max(padded_length(lengths[at]) for at in batch)
        assert width * len(batch) <= 256


def test_a_text_longer_than_a_batch_stands_alone() -> None:
    assert sorted(length_batches([500, 4], max_tokens=64)) == [[0], [1]]


@given(st.integers(2, 60), st.integers(4, 30), st.integers(0, 99))
def test_a_cut_keeps_the_specials_and_a_run_of_the_text(length: int, limit: int, seed: int) -> None:
    ids = list(range(100, 100 + length))
    short = cut(ids, limit, Random(seed))
    assert len(short) == min(length, limit)
    assert (short[0], short[-1]) == (ids[0], ids[-1])
    inner = short[1:-1]
    assert inner == list(range(inner[0], inner[0] + len(inner))) if inner else True


def test_without_chance_the_head_is_kept() -> None:
    assert cut([1, 2, 3, 4, 5, 6], 4) == [1, 2, 3, 6]
