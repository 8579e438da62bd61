"""Weight matrices as the graph holds them: ``rows`` are outputs, ``cols`` inputs.

Each form can be told apart by :func:`signature`: matrices of one signature may be stored as one,
rows below rows, and nothing is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SEVEN_BIT_LIMIT = 63
"""Largest magnitude of values that fit the 7-bit operand of the dot product (layouts.py)."""


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """``values`` float32 ``(rows, cols)``; ``half``: each of them is a float16."""

    values: Float32
    half: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.values.shape[0], self.values.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class Int8:
    """w = ``values`` int8 ``(rows, cols)`` times ``scales`` float32 ``(rows,)``."""

    values: NDArray[np.int8]
    scales: Float32

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def seven_bit(self) -> bool:
        """Whether every value is within -63..63."""
        values = self.values
        return bool(
            values.max(initial=0) <= SEVEN_BIT_LIMIT and values.min(initial=0) >= -SEVEN_BIT_LIMIT
        )


@dataclass(frozen=True, slots=True, eq=False)
class Blocked:
    """w = (``values`` - zero) * scale, with one scale per row and ``block`` columns.

    ``values`` uint8 ``(rows, cols)`` of ``bits`` (4 or 8) bits; ``scales`` float32 ``(rows, cols /
    block)``; ``zeros`` uint8 likewise, ``None`` where all are half of the range (8 or 128).
    """

    values: NDArray[np.uint8]
    scales: Float32
    zeros: NDArray[np.uint8] | None
    block: int
    bits: int

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.values.shape[0], self.values.shape[1]


Matrix: TypeAlias = Dense | Int8 | Blocked


def signature(matrix: Matrix) -> tuple[object, ...]:
    """What must agree for matrices to be stored as one: inputs, form, flags."""
    cols = matrix.shape[1]
    match matrix:
        case Dense():
            return "dense", cols, matrix.half
        case Int8():
            return "int8", cols, matrix.seven_bit
        case Blocked():
            zeros = matrix.zeros is not None
            return "blocked", cols, matrix.bits, matrix.block, zeros, exact_half(matrix.scales)


def exact_half(values: Float32) -> bool:
    """Whether float16 holds every value exactly."""
    with np.errstate(over="ignore"):
        return bool(np.array_equal(values.astype(np.float16).astype(np.float32), values))


def stack(matrices: Sequence[Matrix]) -> Matrix:
    """Matrices of one signature as one, rows below rows."""
    first = matrices[0]
    if len(matrices) == 1:
        return first
    if isinstance(first, Dense):
        return Dense(np.concatenate([_dense(one).values for one in matrices]), first.half)
    if isinstance(first, Int8):
        parts = [one for one in matrices if isinstance(one, Int8)]
        return Int8(
            np.concatenate([one.values for one in parts]),
            np.concatenate([one.scales for one in parts]),
        )
    blocks = [one for one in matrices if isinstance(one, Blocked)]
    zeros = [one.zeros for one in blocks if one.zeros is not None]
    return Blocked(
        np.concatenate([one.values for one in blocks]),
        np.concatenate([one.scales for one in blocks]),
        np.concatenate(zeros) if zeros else None,
        first.block,
        first.bits,
    )


def take_rows(matrix: Matrix, rows: NDArray[np.int64]) -> Matrix:
    """Some rows of a matrix, in the order asked for."""
    match matrix:
        case Dense():
            return Dense(matrix.values[rows], matrix.half)
        case Int8():
            return Int8(matrix.values[rows], matrix.scales[rows])
        case Blocked():
            zeros = None if matrix.zeros is None else matrix.zeros[rows]
            return Blocked(
                matrix.values[rows], matrix.scales[rows], zeros, matrix.block, matrix.bits
            )


def scaled(matrix: Matrix, factor: float) -> Matrix:
    """A matrix times a number."""
    by = np.float32(factor)
    match matrix:
        case Dense():
            return Dense(matrix.values * by, half=False)
        case Int8():
            return Int8(matrix.values, matrix.scales * by)
        case Blocked():
            return Blocked(
                matrix.values, matrix.scales * by, matrix.zeros, matrix.block, matrix.bits
            )


def _dense(matrix: Matrix) -> Dense:
    if not isinstance(matrix, Dense):
        raise TypeError("matrices of one signature have one form")
    return matrix
