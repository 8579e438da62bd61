"""The quantisers: bounds that hold for every matrix, and layouts bit by bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from extbuild.compress.kernels import (
    Bits,
    Blocks,
    quantize_blocks,
    quantize_columns,
    quantize_rows,
    unpack_blocks,
)

Float32 = NDArray[np.float32]
VALUES = st.floats(-1e4, 1e4, width=32, allow_subnormal=True)
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=VALUES)
BLOCK_MATRICES = arrays(np.float32, st.sampled_from([(32, 3), (64, 2), (96, 1)]), elements=VALUES)


@given(MATRICES, st.sampled_from([63, 127]))
def test_int8_columns_err_by_half_a_step_and_report_it(weight: Float32, most: int) -> None:
    stored = quantize_columns(weight, most)
    error = np.abs(stored.values * stored.scales - weight)
    assert stored.values.dtype == np.int8
    assert np.abs(stored.values).max(initial=0) <= most
    assert stored.max_abs_error == pytest.approx(error.max(), rel=1e-6)
    # A column whose peak is below float32's normal range over most is stored as zeros.
    assert (error <= stored.scales * 0.501 + 1e-6 * np.abs(weight)).all()


@given(MATRICES)
def test_int8_rows_are_the_columns_of_the_transpose(weight: Float32) -> None:
    rows, columns = quantize_rows(weight), quantize_columns(weight.T)
    assert (rows.values == columns.values.T).all()
    assert (rows.scales == columns.scales).all()


@pytest.mark.parametrize(
    ("weight", "values", "scales"),
    [
        ([[1.0], [-127.0]], [[1], [-127]], [1.0]),
        ([[0.0], [0.0]], [[0], [0]], [1.0]),
        ([[2.54, 1.0]], [[127, 127]], [0.02, 1 / 127]),
    ],
)
def test_int8_by_hand(weight: list, values: list, scales: list) -> None:
    stored = quantize_columns(np.asarray(weight, np.float32))
    assert stored.values.tolist() == values
    assert stored.scales == pytest.approx(np.asarray(scales, np.float32))


@settings(max_examples=40, deadline=None)
@given(BLOCK_MATRICES, st.sampled_from([4, 8]))
def test_blocks_report_their_error_and_never_lose_to_zeros(weight: Float32, bits: Bits) -> None:
    stored = quantize_blocks(weight, 32, bits)
    error = np.abs(unpack_blocks(stored) - weight)
    assert stored.max_abs_error == pytest.approx(error.max(), rel=1e-5, abs=1e-30)
    as_blocks = error.T.reshape(weight.shape[1], -1, 32).astype(np.float64)
    whole = weight.T.reshape(as_blocks.shape).astype(np.float64)
    assert ((as_blocks**2).sum(-1) <= (whole**2).sum(-1) * 1.001 + 1e-30).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([(4, 0.12), (8, 0.008)]))
@settings(max_examples=20, deadline=None)
def test_blocks_keep_most_of_a_normal_matrix(seed: int, case: tuple[Bits, float]) -> None:
    bits, most = case
    weight = np.random.default_rng(seed).standard_normal((64, 8)).astype(np.float32)
    left = unpack_blocks(quantize_blocks(weight, 32, bits)) - weight
    assert np.sqrt((left**2).mean()) < most


@settings(max_examples=40, deadline=None)
@given(BLOCK_MATRICES, st.sampled_from([4, 8]))
def test_scales_of_blocks_are_stored_exactly_by_float16(weight: Float32, bits: Bits) -> None:
    scales = quantize_blocks(weight, 32, bits).scales
    assert np.isfinite(scales).all()
    assert (scales != 0).all()
    assert (scales.astype(np.float16).astype(np.float32) == scales).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_values_are_the_nearest_to_the_rounded_scale(bits: Bits) -> None:
    weight = np.random.default_rng(0).uniform(-1, 1, (256, 64)).astype(np.float32)
    stored = quantize_blocks(weight, 32, bits)
    assert stored.zero_points is None
    scales = np.repeat(stored.scales, 32, axis=1).T
    middle = 1 << (bits - 1)
    nearest = np.clip(np.rint(weight / scales), -middle, middle - 1) * scales
    assert unpack_blocks(stored) == pytest.approx(nearest, abs=1e-6)


@pytest.mark.parametrize("block", [32, 64, 128])
def test_8_bit_layout_is_that_of_the_operator(block: int) -> None:
    weight = np.random.default_rng(0).uniform(0, 1, (384, 5)).astype(np.float32)
    stored = quantize_blocks(weight, block, 8)
    assert stored.packed.shape == (5, 384 // block, block)
    assert stored.scales.shape == (5, 384 // block)
    assert stored.zero_points is None


@pytest.mark.parametrize("block", [32, 64, 128])
def test_4_bit_layout_is_that_of_the_operator(block: int) -> None:
    weight = np.random.default_rng(0).standard_normal((384, 5)).astype(np.float32)
    stored = quantize_blocks(weight, block)
    assert stored.packed.shape == (5, 384 // block, block // 2)
    assert stored.scales.shape == (5, 384 // block)
    if stored.zero_points is not None:
        assert stored.zero_points.shape == (5, -(-(384 // block) // 2))


def test_the_even_value_lies_in_the_low_nibble() -> None:
    packed = np.zeros((1, 1, 16), np.uint8)
    packed[0, 0, 0] = 0x2F
    stored = Blocks(4, packed, np.ones((1, 1), np.float32), None, 0.0)
    assert unpack_blocks(stored)[:2, 0].tolist() == [15 - 8, 2 - 8]


def test_zero_points_are_stored_where_they_pay() -> None:
    rng = np.random.default_rng(0)
    even = rng.uniform(-1, 1, (64, 4)).astype(np.float32)
    assert quantize_blocks(even, 32).zero_points is None
    assert quantize_blocks(np.abs(even), 32).zero_points is not None


def test_a_block_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="block 32 does not divide 33 rows"):
        quantize_blocks(np.ones((33, 1), np.float32), 32)
