"""Quantisers in numpy. Each returns the stored form and its own largest absolute error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
UInt8 = NDArray[np.uint8]

SHRINK = np.linspace(0.6, 1.0, 17, dtype=np.float32)
"""Tried fractions of a block's full range: clipping an outlier may serve all the other values."""


@dataclass(frozen=True, slots=True)
class ColumnsInt8:
    """``values`` int8 ``(rows, cols)``, ``scales`` float32 ``(cols,)``: w = values * scales."""

    values: Int8
    scales: Float32
    max_abs_error: float


@dataclass(frozen=True, slots=True)
class Blocks4Bit:
    """A matrix ``(k, n)`` in com.microsoft.MatMulNBits layout, ``blocks = k / block``.

    ``packed`` uint8 ``(n, blocks, block / 2)``: two values a byte, the even one in the low nibble;
    ``scales`` float32 ``(n, blocks)``; ``zero_points`` uint8 ``(n, ceil(blocks / 2))``, packed
    likewise, or ``None`` where all are 8. w[i, j] = (q - zero_point) * scale.
    """

    packed: UInt8
    scales: Float32
    zero_points: UInt8 | None
    max_abs_error: float


def quantize_columns(weight: Float32) -> ColumnsInt8:
    """Symmetric int8 with one scale per column of ``weight`` ``(rows, cols)``; -128 is not used."""
    peak = np.abs(weight).max(axis=0)
    # A column of zeros, or of numbers too small to divide by, is stored as zeros.
    scales = np.where(peak > 127 * np.finfo(np.float32).tiny, peak / 127, 1).astype(np.float32)
    values = np.clip(np.rint(weight / scales), -127, 127).astype(np.int8)
    error = float(np.abs(values * scales - weight).max(initial=0.0))
    return ColumnsInt8(values, scales, error)


def quantize_rows(weight: Float32) -> ColumnsInt8:
    """Like :func:`quantize_columns` with one scale per row: ``scales`` is ``(rows,)``."""
    columns = quantize_columns(weight.T)
    return ColumnsInt8(
        np.ascontiguousarray(columns.values.T), columns.scales, columns.max_abs_error
    )


def quantize_blocks(weight: Float32, block: int) -> Blocks4Bit:
    """4-bit blocks along the rows of ``weight`` ``(k, n)``; ``block`` must divide k.

    Scales minimise the squared error of their block over :data:`SHRINK`. Zero points are stored
    only if they lower the squared error of the whole matrix by more than a tenth, because they
    cost half a byte a block and a subtraction at run time.
    """
    k, n = weight.shape
    if k % block:
        raise ValueError(f"block {block} does not divide {k} rows")
    values = np.ascontiguousarray(weight.T).reshape(n, k // block, block)
    plain_q, plain_scales, plain_loss = _best_symmetric(values)
    free_q, free_scales, free_zeros, free_loss = _best_asymmetric(values)
    if free_loss < 0.9 * plain_loss:
        restored = (free_q.astype(np.float32) - free_zeros[..., None]) * free_scales[..., None]
        error = float(np.abs(restored - values).max(initial=0.0))
        zeros = free_zeros.astype(np.uint8)
        return Blocks4Bit(_pack(free_q), free_scales, _pack(_even(zeros)), error)
    restored = (plain_q.astype(np.float32) - 8) * plain_scales[..., None]
    error = float(np.abs(restored - values).max(initial=0.0))
    return Blocks4Bit(_pack(plain_q), plain_scales, None, error)


def unpack_blocks(stored: Blocks4Bit) -> Float32:
    """The matrix ``(k, n)`` that the stored form stands for."""
    values = _unpack(stored.packed).astype(np.float32)
    n, blocks, block = values.shape
    zeros = np.full((n, blocks), 8, np.float32)
    if stored.zero_points is not None:
        zeros = _unpack(stored.zero_points)[:, :blocks].astype(np.float32)
    restored = (values - zeros[..., None]) * stored.scales[..., None]
    return np.ascontiguousarray(restored.reshape(n, blocks * block).T)


def _best_symmetric(values: Float32) -> tuple[UInt8, Float32, float]:
    """Zero point 8; the value of largest magnitude lands on -8, so scales may be negative."""
    at = np.abs(values).argmax(axis=-1)[..., None]
    peak = np.take_along_axis(values, at, axis=-1)[..., 0]
    full = peak / -8
    best_q = np.full(values.shape, 8, np.uint8)
    best_scale = np.ones(full.shape, np.float32)
    best_loss = np.square(values).sum(axis=-1)
    for shrink in SHRINK:
        scale = _nonzero(full * shrink)
        q = np.clip(np.rint(values / scale[..., None]) + 8, 0, 15)
        loss = np.square((q - 8) * scale[..., None] - values).sum(axis=-1)
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
        scale = _nonzero((high - low) * shrink / 15)
        zero = np.clip(np.rint(-low * shrink / scale), 0, 15).astype(np.float32)
        q = np.clip(np.rint(values / scale[..., None]) + zero[..., None], 0, 15)
        loss = np.square((q - zero[..., None]) * scale[..., None] - values).sum(axis=-1)
        better = loss < best_loss
        best_q = np.where(better[..., None], q, best_q).astype(np.uint8)
        best_scale = np.where(better, scale, best_scale)
        best_zero = np.where(better, zero, best_zero)
        best_loss = np.where(better, loss, best_loss)
    return best_q, best_scale, best_zero, float(best_loss.sum(dtype=np.float64))


def _nonzero(scale: Float32) -> Float32:
    tiny = np.abs(scale) < np.finfo(np.float32).tiny
    return np.where(tiny, 1, scale).astype(np.float32)


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
