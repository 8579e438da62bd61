"""Products of every dtype in both variants against the same arithmetic in numpy.

The reference quantises activations in float32 exactly as matmul.h says, sums in int64 and scales in
float64; what may differ is the rounding of float32.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extbuild.compile.layouts import (
    Array,
    Float32,
    Packed,
    pack_blocks,
    pack_float,
    pack_rows,
    pack_vector,
    unpack,
)
from extbuild.compile.program import Activation, DType, Flag
from tests.unit.engine.kernels import VARIANTS, kernels

FORMS = (
    "f32",
    "f16",
    "i8 seven bits",
    "i8 eight bits",
    *(
        f"{dtype} {block}{zeros}{half}"
        for dtype in ("i4", "i8")
        for block in (32, 64, 128)
        for zeros in ("", " zeros")
        for half in ("", " half scales")
    ),
)
VARIED = settings(max_examples=25, deadline=None, derandomize=True)


def make(form: str, rows: int, cols: int, rng: np.random.Generator) -> Packed:
    """A random weight; the extreme values of its type are among its values."""
    if form in ("f32", "f16"):
        values = rng.normal(size=(rows, cols)).astype(np.float32)
        values[rng.random(values.shape) < 0.05] = 3e-6  # subnormal in half precision
        return pack_float(values, DType.F32 if form == "f32" else DType.F16)
    if form.startswith("i8 s") or form.startswith("i8 e"):
        most = 63 if form.startswith("i8 s") else 127
        values = rng.integers(-most, most + 1, (rows, cols)).astype(np.int8)
        values[rng.random(values.shape) < 0.1] = -most if most == 63 else -128
        return pack_rows(values, rng.uniform(0.001, 0.1, rows))
    dtype = DType.I4_BLOCK if form.startswith("i4") else DType.I8_BLOCK
    block, most = int(form.split()[1]), 15 if dtype == DType.I4_BLOCK else 255
    shape = (rows, -(-cols // block))
    values = rng.integers(0, most + 1, (rows, cols)).astype(np.uint8)
    values[rng.random(values.shape) < 0.1] = rng.choice([0, most])
    scales = rng.uniform(-0.1, 0.1, shape).astype(np.float16 if "half" in form else np.float32)
    zeros = rng.integers(0, most + 1, shape).astype(np.uint8) if "zeros" in form else None
    return pack_blocks(dtype, values, scales, zeros, block)


def quantized(x: Float32, packed: Packed) -> tuple[Array, Float32]:
    """Activations by the formula of matmul.h: int64 ``(m, blocks, block)``, and their scales."""
    m, cols = x.shape
    block = packed.block or cols
    padded = np.pad(x, ((0, 0), (0, -cols % block))).reshape(m, -1, block)
    peak = np.maximum(np.abs(padded).max(axis=2), np.float32(1e-30)).astype(np.float32)
    units = padded / peak[:, :, None] * np.float32(127)
    return np.rint(units).astype(np.int64), (peak / np.float32(127)).astype(np.float32)


def expected(packed: Packed, x: Float32) -> tuple[Array, Array]:
    """x · wᵀ and the size of its terms (what rounding is relative to), float64 ``(m, rows)``."""
    if packed.dtype in (DType.F32, DType.F16):
        w = unpack(packed).astype(np.float64)
        return x.astype(np.float64) @ w.T, np.abs(x).astype(np.float64) @ np.abs(w).T
    x_q, x_scales = quantized(x, packed)
    blocks, block = x_q.shape[1:]
    # The integers behind the weight: as if all scales were 1.
    w_q, w_scales = _integers(packed), _scales(packed).astype(np.float64)
    padded = np.pad(w_q, ((0, 0), (0, blocks * block - packed.cols))).reshape(-1, blocks, block)
    sums = np.einsum("mbk,nbk->mnb", x_q, padded).astype(np.float64)
    terms = sums * x_scales[:, None, :].astype(np.float64) * w_scales[None]
    return terms.sum(axis=2), np.abs(terms).sum(axis=2)


def _scales(packed: Packed) -> Array:
    half = packed.flags & Flag.SCALES_F16
    scales = np.frombuffer(packed.scales, "<f2" if half else "<f4").astype(np.float32)
    blocks = -(-packed.cols // packed.block) if packed.block else 1
    return scales.reshape(-1, blocks, 8).transpose(0, 2, 1).reshape(-1, blocks)[: packed.rows]


def _integers(packed: Packed) -> Array:
    half = packed.flags & Flag.SCALES_F16
    ones = np.ones(len(packed.scales) // (2 if half else 4), "<f2" if half else "<f4")
    return unpack(replace(packed, scales=ones.tobytes())).astype(np.int64)


def assert_close(found: Float32, wanted: Array, size: Array, terms: int) -> None:
    """Within the rounding to float32 of `terms` additions and of what surrounds them."""
    bound = size * 6e-8 * (4 + terms) + 1e-35
    assert (np.abs(found - wanted) <= bound).all(), float(np.max(np.abs(found - wanted) / bound))


def terms_of(packed: Packed) -> int:
    if packed.dtype in (DType.F32, DType.F16):
        return packed.cols
    return -(-packed.cols // packed.block) if packed.block else 1


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", FORMS)
@VARIED
@given(
    rows=st.integers(1, 40),
    cols=st.integers(1, 300),
    m=st.sampled_from([1, 1, 2, 3, 4, 5, 6, 7, 11, 13, 16, 23, 71]),
    exponent=st.sampled_from([0, 0, 0, -38, -20, 30]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_product_is_what_numpy_computes(
    variant: str, form: str, rows: int, cols: int, m: int, exponent: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    packed = make(form, rows, cols, rng)
    x = (rng.normal(size=(m, cols)) * 10.0**exponent).astype(np.float32)
    x[rng.random(m) < 0.1] = 0
    found = kernels(variant).matmul(packed, x, spare=int(rng.integers(0, 5)))
    wanted, size = expected(packed, x)
    assert_close(found, wanted, size, terms_of(packed))


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith("i8 ")][:2])
def test_whole_integer_sums_are_the_same_bits_in_both_variants(form: str) -> None:
    rng = np.random.default_rng(1)
    packed = make(form, 37, 301, rng)
    x = rng.normal(size=(9, 301)).astype(np.float32)
    relaxed, simd = (kernels(variant).matmul(packed, x) for variant in VARIANTS)
    np.testing.assert_array_equal(relaxed.view(np.int32), simd.view(np.int32))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "values", [np.full((8, 1024), -128, np.int8), np.full((8, 1024), 127, np.int8)]
)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("m", [1, 4])
def test_nothing_saturates(variant: str, values: Array, sign: int, m: int) -> None:
    packed = pack_rows(values, np.ones(8, np.float32))
    x = np.full((m, 1024), 127 * sign, np.float32)
    wanted = 1024 * 127.0 * float(values[0, 0]) * sign
    np.testing.assert_array_equal(kernels(variant).matmul(packed, x), np.float32(wanted))
    blocked = (values.astype(np.int16) + 128).astype(np.uint8)
    packed = pack_blocks(DType.I8_BLOCK, blocked, np.ones((8, 8), np.float32), None, 128)
    np.testing.assert_array_equal(kernels(variant).matmul(packed, x), np.float32(wanted))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("m", [1, 5, 17])
def test_a_value_that_is_not_finite_spoils_its_row_alone(
    variant: str, form: str, value: float, m: int
) -> None:
    rng = np.random.default_rng(2)
    packed = make(form, 9, 130, rng)
    x = rng.normal(size=(m, 130)).astype(np.float32)
    x[m - 1, 129] = value
    found = kernels(variant).matmul(packed, x)
    assert not np.isfinite(found[m - 1]).any()
    assert np.isfinite(found[: m - 1]).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("activation", list(Activation))
@pytest.mark.parametrize(("rows", "m"), [(8, 1), (13, 3), (24, 6)])
def test_the_epilogue_adds_bias_activates_and_adds_the_residual(
    variant: str, activation: Activation, rows: int, m: int
) -> None:
    rng = np.random.default_rng(3)
    packed = make("f32", rows, 33, rng)
    x = rng.normal(size=(m, 33)).astype(np.float32)
    bias = rng.normal(size=rows).astype(np.float32)
    residual = rng.normal(size=(m, rows)).astype(np.float32)
    plain = kernels(variant).matmul(packed, x)
    activated = kernels(variant).function((plain + bias).ravel(), int(activation))
    found = kernels(variant).matmul(packed, x, bias=bias, activation=activation, residual=residual)
    np.testing.assert_array_equal(found, activated.reshape(m, rows) + residual)
    without = kernels(variant).matmul(packed, x, bias=bias)
    np.testing.assert_array_equal(without, plain + bias)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", ["f32", "i8 seven bits", "i8 eight bits", "i4 32", "i8 64 zeros"])
def test_rows_beyond_a_cache_chunk_and_many_tiles_are_right(variant: str, form: str) -> None:
    rng = np.random.default_rng(4)
    packed = make(form, 275, 520, rng)
    x = rng.normal(size=(263, 520)).astype(np.float32)
    wanted, size = expected(packed, x)
    assert_close(kernels(variant).matmul(packed, x), wanted, size, terms_of(packed))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (8, 32), (13, 75), (17, 260)])
def test_rows_for_embeddings_are_those_that_were_packed(
    variant: str, form: str, rows: int, cols: int
) -> None:
    packed = make(form, rows, cols, np.random.default_rng(5))
    found = np.stack([kernels(variant).row(packed, row) for row in range(rows)])
    np.testing.assert_array_equal(found, unpack(packed))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (13, 75), (17, 260)])
def test_the_sizes_of_a_descriptor_are_those_of_the_packer(form: str, rows: int, cols: int) -> None:
    packed = make(form, rows, cols, np.random.default_rng(6))
    wanted = (len(packed.data), len(packed.scales), len(packed.zeros))
    assert kernels("simd").sizes(packed) == wanted


VALID = make("i4 32", 8, 64, np.random.default_rng(7))


@pytest.mark.parametrize(
    "packed",
    [
        replace(VALID, block=0),
        replace(VALID, block=48),
        replace(VALID, flags=int(Flag.SEVEN_BIT)),
        replace(VALID, flags=8),
        replace(VALID, rows=0),
        replace(VALID, cols=0),
        replace(VALID, cols=65537),
        replace(VALID, rows=1 << 24, cols=65536),
        replace(VALID, dtype=DType.F32),
        replace(VALID, dtype=DType.F32, block=0, flags=1),
        replace(VALID, dtype=DType.I8, block=0, flags=int(Flag.ZEROS)),
        replace(pack_vector(np.ones(4)), rows=2),
    ],
)
def test_a_descriptor_that_no_packer_makes_is_refused(packed: Packed) -> None:
    assert kernels("simd").sizes(packed) is None
