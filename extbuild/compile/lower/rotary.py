"""Rotary positions (Su et al. 2021), rotate-half layout, recognised by their numbers.

``x * cos + (-second half | first half) * sin``: the factors are compared with the cosine and sine
of ``position * frequency`` in every probe, for the frequencies that the graph multiplies by.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.lower.axes import shape_of
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.values import Axes, Float64, Known, Rotated, View, Weighted

ANGLE_ERROR = 1.2e-7
"""Relative rounding of ``position * frequency`` in float32."""


def turned(run: Run, op: str, left: Weighted, right: Weighted) -> Rotated:
    """The sum of both products, as one rotation."""
    straight, crossed = (left, right) if len(left.pieces) == 1 else (right, left)
    if op != "Add" or len(straight.pieces) != 1 or len(crossed.pieces) != 2:
        raise RefusalError("combines activations with positions in an unknown way")
    view = straight.pieces[0]
    if not _halves(view, crossed.pieces):
        raise RefusalError("turns pairs of columns that are not half a head apart")
    width = view.width
    cos = _by_token(run, straight.factor, view.axes)
    sin = _by_token(run, crossed.factor, view.axes)
    candidates = [one for one in run.frequencies if one.size == width // 2]
    for frequencies in (*candidates, _fitted(run, cos, sin)):
        multiplier = _multiplier(run, cos, sin, frequencies)
        if multiplier is not None:
            return Rotated(view, frequencies, multiplier)
    raise RefusalError("multiplies by factors that are no cosine and sine of the positions")


def _halves(view: View, pieces: Sequence[View]) -> bool:
    """Whether the pieces are minus the second and plus the first half of the view."""
    second, first = pieces
    half = view.width // 2
    return (
        first.value == second.value == view.value
        and first.width == second.width == half
        and 2 * half == view.width
        and first.offset == view.offset
        and second.offset == view.offset + half
        and first.axes[:-1] == second.axes[:-1] == view.axes[:-1]
        and len(view.axes[-1]) == 1
        and view.axes[-1][0].stride == 1
        and first.scale == view.scale
        and second.scale == -view.scale
    )


def _by_token(run: Run, factor: Known, axes: Axes) -> list[Float64]:
    """The factor as ``(batch or 1, seq, width)`` in each probe."""
    result = []
    for index, array in enumerate(factor.arrays):
        shape = shape_of(axes, index)
        if array.ndim > len(shape):
            raise RefusalError("turns by factors of more axes than what is turned")
        wide = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
        kinds = [axis[0].kind if axis else "column" for axis in axes]
        for place, (kind, length) in enumerate(zip(kinds, wide.shape, strict=True)):
            if place != len(shape) - 1 and kind not in ("batch", "seq") and length != 1:
                raise RefusalError("turns heads by different angles")
        if kinds.index("seq") < kinds.index("batch") or wide.shape[-1] != shape[-1]:
            raise RefusalError("turns by factors of another shape")
        kept = [wide.shape[kinds.index("batch")], wide.shape[kinds.index("seq")], shape[-1]]
        result.append(wide.reshape(kept).astype(np.float64))
    return result


def _fitted(run: Run, cos: list[Float64], sin: list[Float64]) -> NDArray[np.float32]:
    """Frequencies below pi that give these factors, for graphs that hold tables of them.

    Each later position knows the angle better; the ones before say how many turns it has made.
    """
    half = cos[0].shape[2] // 2
    angles = {
        int(position): np.arctan2(two[0, place, :half], one[0, place, :half])
        for probe, one, two in zip(run.probes, cos, sin, strict=True)
        for place, position in enumerate(probe.positions[0])
    }
    found = np.zeros(half)
    for position in sorted(angles.keys() - {0}):
        turns = np.rint((position * found - angles[position]) / (2 * np.pi))
        found = (angles[position] + 2 * np.pi * turns) / position
    fitted: NDArray[np.float32] = found.astype(np.float32)
    return fitted


def _multiplier(
    run: Run, cos: list[Float64], sin: list[Float64], frequencies: NDArray[np.float32]
) -> float | None:
    """m, if the factors are m times cosine and sine; 1 where that is meant."""
    both = np.concatenate([frequencies, frequencies]).astype(np.float64)
    lengths = [np.sqrt(one**2 + two**2) for one, two in zip(cos, sin, strict=True)]
    found = float(np.median(np.concatenate([one.reshape(-1) for one in lengths])))
    multiplier = 1.0 if abs(found - 1) < 1e-6 else float(np.float32(found))
    for probe, one, two in zip(run.probes, cos, sin, strict=True):
        angle = probe.positions[:, :, None] * both
        allowed = 1e-5 + ANGLE_ERROR * np.abs(angle)
        for factor, expected in ((one, np.cos(angle)), (two, np.sin(angle))):
            off = np.abs(factor - multiplier * expected) > multiplier * allowed
            if (off & probe.real[:, :, None]).any():
                return None
    return multiplier
