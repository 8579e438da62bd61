"""What is packed comes back, and what has no layout is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extbuild.compile.layouts import Array, pack_blocks, pack_float, pack_rows, pack_vector, unpack
from extbuild.compile.program import DType, Flag
from extbuild.errors import ContractError

SHAPES = given(rows=st.integers(1, 20), cols=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
VARIED = settings(max_examples=30, deadline=None, derandomize=True)


@VARIED
@SHAPES
def test_floats_come_back(rows: int, cols: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)
    np.testing.assert_array_equal(unpack(pack_float(values)), values)
    halves = values.astype(np.float16)
    np.testing.assert_array_equal(unpack(pack_float(halves, DType.F16)), halves)
    np.testing.assert_array_equal(unpack(pack_vector(values[0])), values[:1])


@pytest.mark.parametrize("most", [63, 64, 127])
@VARIED
@SHAPES
def test_int8_rows_come_back_times_their_scale(most: int, rows: int, cols: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-most, most + 1, (rows, cols)).astype(np.int8)
    values[0, 0] = most
    scales = rng.uniform(0.001, 1, rows).astype(np.float32)
    packed = pack_rows(values, scales)
    assert packed.flags == (Flag.SEVEN_BIT if most == 63 else 0)
    np.testing.assert_array_equal(unpack(packed), values.astype(np.float32) * scales[:, None])


@pytest.mark.parametrize("dtype", [DType.I4_BLOCK, DType.I8_BLOCK])
@pytest.mark.parametrize("block", [32, 64, 128])
@pytest.mark.parametrize("with_zeros", [False, True])
@pytest.mark.parametrize("scale_type", [np.float16, np.float32])
@settings(max_examples=10, deadline=None, derandomize=True)
@SHAPES
def test_blocks_come_back_times_their_scale(
    dtype: DType,
    block: int,
    with_zeros: bool,
    scale_type: type[np.floating],
    rows: int,
    cols: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    most, middle = (15, 8) if dtype == DType.I4_BLOCK else (255, 128)
    shape = (rows, -(-cols // block))
    values = rng.integers(0, most + 1, (rows, cols)).astype(np.uint8)
    scales = rng.uniform(-1, 1, shape).astype(scale_type).astype(np.float32)
    scales[0, 0] = 1 / 3 if scale_type == np.float32 else 0.25
    zeros = rng.integers(0, most + 1, shape).astype(np.uint8) if with_zeros else None
    packed = pack_blocks(dtype, values, scales, zeros, block)
    assert bool(packed.flags & Flag.SCALES_F16) == (scale_type == np.float16)
    assert bool(packed.flags & Flag.ZEROS) == with_zeros
    middles: Array = np.full(shape, middle) if zeros is None else zeros

    def wide(part: Array) -> Array:
        return np.repeat(part, block, axis=1)[:, :cols].astype(np.float32)

    wanted = (values.astype(np.float32) - wide(middles)) * wide(scales)
    np.testing.assert_array_equal(unpack(packed), wanted)


def test_the_order_of_the_bytes_is_the_documented_one() -> None:
    values = np.arange(16 * 32).reshape(16, 32) % 16
    ones = np.ones((16, 1), np.float32)
    four = pack_blocks(DType.I4_BLOCK, values.astype(np.uint8), ones, None, 32)
    pairs = np.frombuffer(four.data, np.uint8).reshape(2, 8, 4, 4)
    assert pairs[1, 3, 2, 1] == values[8 + 2, 13] | values[8 + 6, 13] << 4
    eight = pack_rows(values.astype(np.int8), ones[:, 0])
    assert np.frombuffer(eight.data, np.int8).reshape(2, 8, 8, 4)[1, 3, 6, 1] == 64 + values[14, 13]
    single = pack_float(values.astype(np.float32))
    assert np.frombuffer(single.data, "<f4").reshape(2, 32, 8)[1, 13, 6] == values[14, 13]


GOOD = np.zeros((8, 32), np.uint8)
ONES = np.ones((8, 1), np.float32)


@pytest.mark.parametrize(
    ("dtype", "values", "scales", "zeros", "block"),
    [
        (DType.I4_BLOCK, GOOD + 16, ONES, None, 32),
        (DType.I4_BLOCK, GOOD, ONES, (ONES + 15).astype(np.uint8), 32),
        (DType.I4_BLOCK, GOOD, ONES, None, 16),
        (DType.I4_BLOCK, GOOD.astype(np.int8), ONES, None, 32),
        (DType.I4_BLOCK, GOOD, ONES[:4], None, 32),
        (DType.I4_BLOCK, GOOD, ONES, np.zeros((8, 2), np.uint8), 32),
        (DType.I4_BLOCK, GOOD, ONES * np.inf, None, 32),
        (DType.I8, GOOD, ONES, None, 32),
    ],
)
def test_blocks_that_have_no_layout_are_refused(
    dtype: DType, values: Array, scales: Array, zeros: Array | None, block: int
) -> None:
    with pytest.raises(ContractError):
        pack_blocks(dtype, values, scales, zeros, block)


def test_numbers_beyond_half_precision_are_refused() -> None:
    with pytest.raises(ContractError, match="finite"):
        pack_float(np.full((1, 1), 70000.0), DType.F16)
    with pytest.raises(ContractError, match="finite"):
        pack_vector(np.asarray([np.nan]))
    with pytest.raises(ContractError, match="shape"):
        pack_rows(np.zeros((2, 2), np.int8), np.ones(3))
