"""Quantisers in numpy. Each returns the stored form and its own largest absolute error."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
UInt8 = NDArray[np.uint8]
Bits = Literal[4, 8]

SHRINK = np.linspace(0.6, 1.0, 17, dtype=np.float32)
"""Tried fractions of a block's full range: clipping an outlier may serve all the other values."""


@dataclass(frozen=True, slots=True)
class ColumnsInt8:
    """``values`` int8 ``(rows, cols)``, ``scales`` float32 ``(cols,)``: w = values * scales."""

    values: Int8
    scales: Float32
    max_abs_error: float


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix ``(k, n)`` in com.microsoft.MatMulNBits layout, ``blocks = k / block``.

    4 bits: ``packed`` uint8 ``(n, blocks, block / 2)``, two values a byte, the even one in the low
    nibble; ``zero_points`` uint8 ``(n, ceil(blocks / 2))``, packed likewise, or ``None`` where all
    are 8. 8 bits: ``packed`` uint8 ``(n, blocks, block)``, every zero point is 128.
    ``scales`` float32 ``(n, blocks)``, each a number that float16 holds exactly.
    w[i, j] = (q - zero_point) * scale.
    """

    bits: Bits
    packed: UInt8
    scales: Float32
    zero_points: UInt8 | None
    max_abs_error: float


def quantize_columns(weight: Float32, most: int = 127) -> ColumnsInt8:
    """Symmetric int8 with one scale per column of ``weight`` ``(rows, cols)``.

    Values are within ``-most`` .. ``most``: -128 is never used.
    """
    peak = np.abs(weight).max(axis=0)
    # A column of zeros, or of numbers too small to divide by, is stored as zeros.
    scales = np.where(peak > most * np.finfo(np.float32).tiny, peak / most, 1).astype(np.float32)
    values = np.clip(np.rint(weight / scales), -most, most).astype(np.int8)
    error = float(np.abs(values * scales - weight).max(initial=0.0))
    return ColumnsInt8(values, scales, error)


def quantize_rows(weight: Float32) -> ColumnsInt8:
    """Like :func:`quantize_columns` with one scale per row: ``scales`` is ``(rows,)``."""
    columns = quantize_columns(weight.T)
    return ColumnsInt8(
        np.ascontiguousarray(columns.values.T), columns.scales, columns.max_abs_error
    )


def quantize_blocks(weight: Float32, block: int, bits: Bits = 4) -> Blocks:
    """Blocks along the rows of ``weight`` ``(k, n)``; ``block`` must divide k.

    Scales minimise the squared error of their block over :data:`SHRINK`, rounded to float16 before
    the values are chosen. Zero points are stored only with 4 bits, and only if they lower the
    squared error of the whole matrix by more than a tenth, because they cost half a byte a block
    and a subtraction at run time; with 8 bits the error is a sixteenth without them.
    """
    k, n = weight.shape
    if k % block:
        raise ValueError(f"block {block} does not divide {k} rows")
    values = np.ascontiguousarray(weight.T).reshape(n, k // block, block)
    middle = 1 << (bits - 1)
    plain_q, plain_scales, plain_loss = _best_symmetric(values, middle)
    if bits == 4:
        free_q, free_scales, free_zeros, free_loss = _best_asymmetric(values)
        if free_loss < 0.9 * plain_loss:
            error = _error(values, free_q, free_scales, free_zeros)
            zeros = _pack(_even(free_zeros.astype(np.uint8)))
            return Blocks(4, _pack(free_q), free_scales, zeros, error)
    error = _error(values, plain_q, plain_scales, np.full_like(plain_scales, middle))
    return Blocks(bits, _pack(plain_q) if bits == 4 else plain_q, plain_scales, None, error)


def unpack_blocks(stored: Blocks) -> Float32:
    """The matrix ``(k, n)`` that the stored form stands for."""
    values = (_unpack(stored.packed) if stored.bits == 4 else stored.packed).astype(np.float32)
    n, blocks, block = values.shape
    zeros = np.full((n, blocks), 1 << (stored.bits - 1), np.float32)
    if stored.zero_points is not None:
        zeros = _unpack(stored.zero_points)[:, :blocks].astype(np.float32)
    restored = (values - zeros[..., None]) * stored.scales[..., None]
    return np.ascontiguousarray(restored.reshape(n, blocks * block).T)


def _error(values: Float32, q: UInt8, scales: Float32, zeros: Float32) -> float:
    restored = (q.astype(np.float32) - zeros[..., None]) * scales[..., None]
    return float(np.abs(restored - values).max(initial=0.0))


def _best_symmetric(values: Float32, middle: int) -> tuple[UInt8, Float32, float]:
    """Zero point ``middle``, which is half the range of q.

    The value of largest magnitude lands on q = 0, so scales may be negative.
    """
    at = np.abs(values).argmax(axis=-1)[..., None]
    peak = np.take_along_axis(values, at, axis=-1)[..., 0]
    full = peak / -middle
    best_q = np.full(values.shape, middle, np.uint8)
    best_scale = np.ones(full.shape, np.float32)
    best_loss = np.square(values).sum(axis=-1)
    for shrink in SHRINK:
        scale = _float16(full * shrink)
        q = np.clip(np.rint(values / scale[..., None]) + middle, 0, 2 * middle - 1)
        loss = np.square((q - middle) * scale[..., None] - values).sum(axis=-1)
        better = loss < best_loss
        best_q = np.where(better[..., None], q, best_q).astype(np.uint8)
        best_scale = np.where(better, scale, best_scale)
        best_loss = np.where(better, loss, best_loss)
    return best_q, best_scale, float(best_loss.sum(dtype=np.float64))


def _best_asymmetric(values: Float32) -> tuple[UInt8, Float32, Float32, float]:
    """Zero point 0..15, so that 0 is always exact, which padding and sparse rows rely on."""
    low = np.minimum(values.min(axis=-1), 0)
    high = np.maximum(values.max(axis=-1), 0)
    best_q = np.full(values.shape, 8, np.uint8)
    best_scale = np.ones(low.shape, np.float32)
    best_zero = np.full(low.shape, 8, np.float32)
    best_loss = np.square(values).sum(axis=-1)
    for shrink in SHRINK:
        scale = _float16((high - low) * shrink / 15)
        zero = np.clip(np.rint(-low * shrink / scale), 0, 15).astype(np.float32)
        q = np.clip(np.rint(values / scale[..., None]) + zero[..., None], 0, 15)
        loss = np.square((q - zero[..., None]) * scale[..., None] - values).sum(axis=-1)
        better = loss < best_loss
        best_q = np.where(better[..., None], q, best_q).astype(np.uint8)
        best_scale = np.where(better, scale, best_scale)
        best_zero = np.where(better, zero, best_zero)
        best_loss = np.where(better, loss, best_loss)
    return best_q, best_scale, best_zero, float(best_loss.sum(dtype=np.float64))


def _float16(scale: Float32) -> Float32:
    """The nearest float16 as float32; 1 where that is 0, so that such a block becomes zeros."""
    most = np.finfo(np.float16).max
    rounded = np.clip(scale, -most, most).astype(np.float16).astype(np.float32)
    return np.where(rounded == 0, np.float32(1), rounded)


def _even(values: UInt8) -> UInt8:
    """Pad the last axis to an even length with 8, the neutral zero point."""
    if values.shape[-1] % 2 == 0:
        return values
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, 1)], constant_values=8)


def _pack(values: UInt8) -> UInt8:
    """``(..., 2 m)`` nibbles to ``(..., m)`` bytes, the even one low."""
    return (values[..., 0::2] | (values[..., 1::2] << 4)).astype(np.uint8)


def _unpack(packed: UInt8) -> UInt8:
    both = np.stack([packed & 15, packed >> 4], axis=-1)
    return both.reshape(*packed.shape[:-1], -1)
