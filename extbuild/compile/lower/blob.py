"""The weights blob: every tensor once, in the order in which operations first need it."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from extbuild.compile.layouts import Packed, pack_blocks, pack_float, pack_rows, pack_vector
from extbuild.compile.lower.matrices import Blocked, Dense, Int8, Matrix
from extbuild.compile.lower.steps import Vector
from extbuild.compile.program import ALIGNMENT_BYTES, NONE, DType, Weight


@dataclass(slots=True)
class Blob:
    """Bytes and descriptors under construction. Weights of equal bytes share one descriptor."""

    data: bytearray = field(default_factory=bytearray)
    weights: list[Weight] = field(default_factory=list)
    _known: dict[tuple[object, ...], int] = field(default_factory=dict)

    def matrix(self, matrix: Matrix | None) -> int:
        """Index of a matrix, or NONE."""
        return NONE if matrix is None else self._add(pack(matrix))

    def vector(self, vector: Vector | None) -> int:
        """Index of a vector, or NONE."""
        return NONE if vector is None else self._add(pack_vector(vector))

    def _add(self, packed: Packed) -> int:
        digest = hashlib.blake2b(digest_size=16)
        for part in (packed.data, packed.scales, packed.zeros):
            digest.update(part)
        key = (
            packed.dtype,
            packed.rows,
            packed.cols,
            packed.block,
            packed.flags,
            digest.digest(),
        )
        if key not in self._known:
            self._known[key] = len(self.weights)
            self.weights.append(
                Weight(
                    dtype=packed.dtype,
                    rows=packed.rows,
                    cols=packed.cols,
                    block=packed.block,
                    flags=packed.flags,
                    data_offset=self._write(packed.data),
                    data_bytes=len(packed.data),
                    scale_offset=self._write(packed.scales),
                    scale_bytes=len(packed.scales),
                    zero_offset=self._write(packed.zeros),
                    zero_bytes=len(packed.zeros),
                )
            )
        return self._known[key]

    def _write(self, part: bytes) -> int:
        """Append at the next multiple of 64; 0 for a part that is not there."""
        if not part:
            return 0
        self.data.extend(bytes(-len(self.data) % ALIGNMENT_BYTES))
        offset = len(self.data)
        self.data.extend(part)
        return offset


def pack(matrix: Matrix) -> Packed:
    """A matrix in the engine's layout."""
    match matrix:
        case Dense():
            return pack_float(matrix.values, DType.F16 if matrix.half else DType.F32)
        case Int8():
            return pack_rows(np.ascontiguousarray(matrix.values), matrix.scales)
        case Blocked():
            dtype = DType.I4_BLOCK if matrix.bits == 4 else DType.I8_BLOCK
            values = np.ascontiguousarray(matrix.values)
            return pack_blocks(dtype, values, matrix.scales, matrix.zeros, matrix.block)


def finite(matrix: Matrix | Vector | None) -> bool:
    """Whether all numbers of a weight are finite."""
    match matrix:
        case None:
            return True
        case Dense():
            return bool(np.isfinite(matrix.values).all())
        case Int8() | Blocked():
            return bool(np.isfinite(matrix.scales).all())
        case _:
            return bool(np.isfinite(matrix).all())
