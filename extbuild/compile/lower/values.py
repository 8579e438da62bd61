"""What a value of the graph means: the domain of the abstract interpreter.

Shapes are kept as factors. An axis is a tuple of factors whose sizes multiply to its length, so a
Reshape only regroups factors and a Transpose only reorders axes; neither costs an operation.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.lower.matrices import Int8, Matrix

Array = NDArray[Any]
Float64 = NDArray[np.float64]
FactorKind = Literal["batch", "seq", "keys", "wanted", "column", "repeat"]


@dataclass(frozen=True, slots=True)
class Factor:
    """Part of an axis. ``sizes`` has one entry per probe.

    ``seq``: tokens of this run. ``keys``: cached tokens, then those. ``wanted``: output rows.
    ``column``: ``stride`` columns apart in the value. ``repeat``: the same columns again.
    """

    kind: FactorKind
    sizes: tuple[int, ...]
    stride: int = 0

    @property
    def size(self) -> int:
        """Length of a column or repeat factor, which is the same in every probe."""
        return self.sizes[0]


Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]


def axis_sizes(axis: Axis, probes: int) -> tuple[int, ...]:
    """Length of an axis in every probe."""
    return tuple(prod(factor.sizes[probe] for factor in axis) for probe in range(probes))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A value that depends on sizes, positions and the mask only: its array in every probe.

    A constant is one array, the same object for all probes. ``half``: its values came from float16.
    ``stored``: the int8 form that a matrix was dequantised from, with its rows along the axis
    ``stored_axis`` of the array.
    """

    arrays: tuple[Array, ...]
    half: bool = False
    stored: Int8 | None = None
    stored_axis: int = -1

    @property
    def constant(self) -> bool:
        """Whether it is the same array whatever the inputs are."""
        return all(array is self.arrays[0] for array in self.arrays)

    @property
    def array(self) -> Array:
        """The array of a constant."""
        return self.arrays[0]

    def number(self) -> float | None:
        """The number, if it is one and the same in every probe."""
        if any(array.size != 1 for array in self.arrays):
            return None
        found = {float(array.reshape(-1)[0]) for array in self.arrays}
        return found.pop() if len(found) == 1 else None

    def vector(self, width: int) -> NDArray[np.float32] | None:
        """A constant ``(width,)`` that broadcasts along the last axis only."""
        array = self.array
        if not self.constant or array.size != width or array.shape[-1:] != (width,):
            return None
        return array.reshape(-1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Ids:
    """The token ids, or a reshaped form of them."""

    axes: Axes


@dataclass(frozen=True, slots=True)
class View:
    """``scale`` times columns of a computed value, from ``offset`` on, arranged by ``axes``."""

    value: int
    axes: Axes
    offset: int = 0
    scale: float = 1.0

    @property
    def width(self) -> int:
        """Length of the last axis, which must be made of columns."""
        return prod(factor.size for factor in self.axes[-1]) if self.axes else 1

    @property
    def base(self) -> tuple[int, Axes, int]:
        """What it shows, without the scale."""
        return self.value, self.axes, self.offset


@dataclass(frozen=True, slots=True, eq=False)
class RowFunction:
    """A function of each last-axis row of ``view``, known by its values at sample rows.

    ``samples`` float64 ``(rows, width)``, or ``(rows, 1)`` for a statistic of the row.
    """

    view: View
    samples: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """``table[ids]``, not yet complete: scales, positions and a constant row may be added.

    ``table`` is an array ``(vocab, width)`` or ``(vocab,)``, or a matrix. ``positions`` has the row
    ``position + first`` added; ``shift`` float32 ``(width,)`` is added to every row.
    """

    axes: Axes
    table: Array | Matrix
    half: bool = False
    positions: Matrix | None = None
    first: int = 0
    shift: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """Rows of a constant table at indices that depend on positions.

    ``table`` ``(rows, width)``, or ``(rows,)`` for a number per row. ``index`` int64 per probe has
    the axes of the value but for the table's second one. ``stored``: the int8 form of the table.
    """

    table: Array
    half: bool
    index: tuple[Array, ...]
    stored: Int8 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Pieces of one value, joined along the last axis, times a known array."""

    pieces: tuple[View, ...]
    factor: Known


@dataclass(frozen=True, slots=True)
class Pieces:
    """Views joined along the last axis."""

    views: tuple["View | Rotated", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rotated:
    """``view`` turned by its positions (rotate-half), over its whole last axis."""

    view: View
    frequencies: NDArray[np.float32]
    multiplier: float


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A cache input ``(batch, kv_heads, past, head_dim)``."""

    name: str
    sizes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Products of queries and keys: ``axes`` are leading ones, queries, keys.

    ``masks`` hold booleans: True where a key may be seen. ``shares``: the softmax is done.
    """

    query: View
    key: View
    axes: Axes
    scale: float
    masks: tuple[Known, ...] = ()
    shares: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Int8Product:
    """Integer product of a view's quantised rows: times the peak of each row it is a LINEAR."""

    view: View
    weight: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class TokenSum:
    """Sum over the real tokens of each sequence; ``axes`` are those of the result."""

    view: View
    axes: Axes


@dataclass(frozen=True, slots=True, eq=False)
class NeverNaN:
    """Whether shares are NaN: they are not, as every token sees itself."""

    scores: Scores


Meaning = (
    Known
    | Ids
    | View
    | RowFunction
    | Lookup
    | TableRows
    | Weighted
    | Pieces
    | Rotated
    | Past
    | Scores
    | Int8Product
    | TokenSum
    | NeverNaN
)
