"""How weights lie in the engine's blob: plain arrays to bytes, and back for tests.

A matrix ``(rows, cols)`` is ``(outputs, inputs)``. Eight rows make a group, so that each 32-bit
lane of a SIMD vector belongs to a row; extension_src/engine/matmul*.c read these bytes and matmul.h
repeats the table. ``N8`` is rows rounded up to 8, ``K16`` cols rounded up to 16, ``B`` the number
of blocks, ``ceil(cols / block)``. Everything is little-endian; rows and columns that are not there
are values, scales and zero points of 0 (values of 64 as stored, with SEVEN_BIT).

======== ================================== ================================================
dtype    data                               scales, zeros
======== ================================== ================================================
VECTOR   float32 ``(cols,)``                none
F32, F16 ``(N8/8, cols, 8)``: [group][k][r] none
I8       ``(N8/8, K16/4, 8, 4)`` int8:      float32 ``(N8,)``
         [group][k/4][r][k%4]
I8_BLOCK ``(N8/8, B*block/4, 8, 4)`` int8   ``(N8/8, B, 8)`` float32, or float16 where all of them
                                            are exact in it; zeros uint8 ``(N8/8, B, 8)``
I4_BLOCK ``(N8/8, B*block/4, 4, 4)`` bytes: as I8_BLOCK
         low nibbles r 0-3, high r 4-7
======== ================================== ================================================

What the numbers mean: I8 is ``value * scale``, stored +64 (SEVEN_BIT) when all values are within
-63..63, so that they fit the 7-bit operand of ``i32x4.relaxed_dot_i8x16_i7x16_add``. I4_BLOCK is
``(q - zero) * scale`` with q in 0..15 and zero 8 if there are none. I8_BLOCK is the same with q in
0..255 and zero 128 if there are none; q is stored as the int8 ``q - 128``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from extbuild.compile.program import DType, Flag
from extbuild.errors import ContractError

GROUP = 8
"""Rows that are stored together."""
COLUMNS = 16
"""I8 rounds columns up to a multiple of this."""
BLOCKS = (32, 64, 128)
SEVEN_BIT_OFFSET = 64
SEVEN_BIT_MOST = 63
ZERO_POINT = {DType.I4_BLOCK: 8, DType.I8_BLOCK: 128}

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Int8 = npt.NDArray[np.int8]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """A weight as the engine reads it: a `program.Weight` without its place in the blob."""

    dtype: DType
    rows: int
    cols: int
    block: int
    flags: int
    data: bytes
    scales: bytes = b""
    zeros: bytes = b""


def pack_vector(values: Array) -> Packed:
    """A bias, norm weight or frequencies: ``(cols,)``, as float32."""
    held = _finite(np.asarray(values, "<f4"), 1)
    return Packed(DType.VECTOR, 1, held.size, 0, 0, held.tobytes())


def pack_float(values: Array, dtype: DType = DType.F32) -> Packed:
    """A matrix ``(rows, cols)`` as F32 or F16. Values beyond float16 are refused, not clipped."""
    if dtype not in (DType.F32, DType.F16):
        raise ContractError(f"pack_float stores F32 or F16, not {dtype.name}")
    with np.errstate(over="ignore"):
        held = _finite(np.asarray(values, "<f4" if dtype == DType.F32 else "<f2"), 2)
    rows, cols = held.shape
    return Packed(dtype, rows, cols, 0, 0, _grouped(held).transpose(0, 2, 1).tobytes())


def pack_rows(values: Int8, scales: Array) -> Packed:
    """I8: int8 ``(rows, cols)``, one float32 scale per row. SEVEN_BIT where the values allow it."""
    _check(values, np.int8, 2)
    held_scales = _finite(np.asarray(scales, "<f4"), 1)
    rows, cols = values.shape
    _same("scales", held_scales.shape, (rows,))
    flags, offset = 0, 0
    if values.size and values.min() >= -SEVEN_BIT_MOST and values.max() <= SEVEN_BIT_MOST:
        flags, offset = int(Flag.SEVEN_BIT), SEVEN_BIT_OFFSET
    padded = np.pad(values, ((0, -rows % GROUP), (0, -cols % COLUMNS)))
    data = _fours((padded.astype(np.int16) + offset).astype(np.int8))
    packed_scales = np.pad(held_scales, (0, -rows % GROUP))
    return Packed(DType.I8, rows, cols, 0, flags, data.tobytes(), packed_scales.tobytes())


def pack_blocks(
    dtype: DType,
    values: UInt8,
    scales: Array,
    zeros: UInt8 | None,
    block: int,
) -> Packed:
    """I4_BLOCK or I8_BLOCK from unsigned values, as MatMulNBits has them, one value per element.

    ``values`` uint8 ``(rows, cols)``, 0..15 or 0..255; ``scales`` float32
    ``(rows, ceil(cols / block))``; ``zeros`` uint8 of the shape of scales, or None for zero points
    of 8 or 128.
    """
    if dtype not in ZERO_POINT or block not in BLOCKS:
        raise ContractError(f"no layout for {dtype.name} with blocks of {block}")
    _check(values, np.uint8, 2)
    rows, cols = values.shape
    blocks = -(-cols // block)
    held_scales = _finite(np.asarray(scales, "<f4"), 2)
    _same("scales", held_scales.shape, (rows, blocks))
    most = 15 if dtype == DType.I4_BLOCK else 255
    if values.size and values.max() > most:
        raise ContractError(f"values of {dtype.name} must be at most {most}")
    flags = 0
    with np.errstate(over="ignore"):
        halves = held_scales.astype("<f2")
    if np.array_equal(halves.astype(np.float32), held_scales):
        flags |= Flag.SCALES_F16
    kept = halves if flags & Flag.SCALES_F16 else held_scales
    zero_bytes = b""
    if zeros is not None:
        _check(zeros, np.uint8, 2)
        _same("zeros", zeros.shape, (rows, blocks))
        if zeros.size and zeros.max() > most:
            raise ContractError(f"zero points of {dtype.name} must be at most {most}")
        flags |= Flag.ZEROS
        zero_bytes = _grouped(zeros).transpose(0, 2, 1).tobytes()
    padded = np.pad(values, ((0, -rows % GROUP), (0, blocks * block - cols)))
    if dtype == DType.I4_BLOCK:
        fours = _fours(padded)
        data = fours[:, :, :4] | (fours[:, :, 4:] << 4)
    else:
        data = _fours(padded) ^ np.uint8(128)
    scale_bytes = _grouped(kept).transpose(0, 2, 1).tobytes()
    return Packed(dtype, rows, cols, block, int(flags), data.tobytes(), scale_bytes, zero_bytes)


def unpack(packed: Packed) -> Float32:
    """The matrix (or vector) that the bytes mean, float32 ``(rows, cols)``. For tests."""
    return _UNPACK[packed.dtype](packed)


def _unpack_vector(packed: Packed) -> Float32:
    return np.frombuffer(packed.data, "<f4").reshape(1, packed.cols).astype(np.float32)


def _unpack_float(packed: Packed) -> Float32:
    held = np.frombuffer(packed.data, "<f4" if packed.dtype == DType.F32 else "<f2")
    whole = held.reshape(-1, packed.cols, GROUP).transpose(0, 2, 1).reshape(-1, packed.cols)
    return np.asarray(whole[: packed.rows], np.float32)


def _unpack_rows(packed: Packed) -> Float32:
    offset = SEVEN_BIT_OFFSET if packed.flags & Flag.SEVEN_BIT else 0
    values = _from_fours(np.frombuffer(packed.data, np.int8).reshape(-1, GROUP, 4), packed)
    scales = np.frombuffer(packed.scales, "<f4")[: packed.rows, None]
    return np.asarray((values.astype(np.float32) - offset) * scales, np.float32)


def _unpack_blocks(packed: Packed) -> Float32:
    blocks = -(-packed.cols // packed.block)
    raw = np.frombuffer(packed.data, np.uint8)
    if packed.dtype == DType.I4_BLOCK:
        pairs = raw.reshape(-1, 4, 4)
        fours = np.concatenate([pairs & 15, pairs >> 4], axis=1)
    else:
        fours = raw.reshape(-1, GROUP, 4) ^ np.uint8(128)
    values = _from_fours(fours, packed).astype(np.float32)

    def per_value(part: Array) -> Array:
        whole = part.reshape(-1, blocks, GROUP).transpose(0, 2, 1).reshape(-1, blocks)
        return np.repeat(whole[: packed.rows], packed.block, axis=1)[:, : packed.cols]

    half = packed.flags & Flag.SCALES_F16
    scales = per_value(np.frombuffer(packed.scales, "<f2" if half else "<f4"))
    zeros: Array = np.asarray(ZERO_POINT[packed.dtype], np.float32)
    if packed.flags & Flag.ZEROS:
        zeros = per_value(np.frombuffer(packed.zeros, np.uint8)).astype(np.float32)
    return np.asarray((values - zeros) * scales.astype(np.float32), np.float32)


_UNPACK: dict[DType, Callable[[Packed], Float32]] = {
    DType.VECTOR: _unpack_vector,
    DType.F32: _unpack_float,
    DType.F16: _unpack_float,
    DType.I8: _unpack_rows,
    DType.I8_BLOCK: _unpack_blocks,
    DType.I4_BLOCK: _unpack_blocks,
}


def _grouped(values: Array) -> Array:
    """``(rows, n)`` as ``(N8 / 8, 8, n)``, filled up with zeros."""
    rows, width = values.shape
    return np.pad(values, ((0, -rows % GROUP), (0, 0))).reshape(-1, GROUP, width)


def _fours(padded: Array) -> Array:
    """``(N8, k)`` as ``(N8 / 8, k / 4, 8, 4)``."""
    rows, cols = padded.shape
    return padded.reshape(rows // GROUP, GROUP, cols // 4, 4).transpose(0, 2, 1, 3)


def _from_fours(fours: Array, packed: Packed) -> Array:
    """``(any, 8, 4)`` back to ``(rows, cols)``."""
    groups = -(-packed.rows // GROUP)
    whole = fours.reshape(groups, -1, GROUP, 4).transpose(0, 2, 1, 3).reshape(groups * GROUP, -1)
    return whole[: packed.rows, : packed.cols]


def _check(values: Array, dtype: type[np.generic], axes: int) -> None:
    if values.dtype != dtype or values.ndim != axes:
        raise ContractError(
            f"expected {dtype.__name__} of {axes} axes, got {values.dtype}{values.shape}"
        )


def _finite(values: Array, axes: int) -> Array:
    if values.ndim != axes:
        raise ContractError(f"expected {axes} axes, got {values.shape}")
    if not np.isfinite(values).all():
        raise ContractError("a weight must be finite in the type that stores it")
    return values


def _same(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise ContractError(f"{name} must have the shape {wanted}, got {found}")
