"""Arithmetic of axes: reshape, transpose, slice, and which columns of a value a view shows."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.values import Axes, Axis, Factor, View, axis_sizes

ROW_KINDS = ("batch", "seq", "keys", "wanted")


def columns(size: int, stride: int, probes: int) -> Factor:
    """A factor of columns."""
    return Factor("column", (size,) * probes, stride)


def shape_of(axes: Axes, probe: int) -> tuple[int, ...]:
    """The concrete shape in one probe."""
    return tuple(prod(factor.sizes[probe] for factor in axis) for axis in axes)


def reshape(axes: Axes, targets: Sequence[Sequence[int]], allow_zero: bool) -> Axes:
    """Regroup factors so that the shape is ``targets[probe]`` in every probe.

    0 keeps the length of the axis at its place and -1 is inferred, as in ONNX Reshape.
    """
    probes = len(targets)
    wanted = [_resolved(axes, targets[probe], probe, allow_zero) for probe in range(probes)]
    if len({len(shape) for shape in wanted}) != 1:
        raise RefusalError("reshapes to a rank that changes with the input")
    todo = [factor for axis in axes for factor in axis]
    result: list[Axis] = []
    for position in range(len(wanted[0])):
        target = tuple(shape[position] for shape in wanted)
        axis: list[Factor] = []
        while axis_sizes(tuple(axis), probes) != target:
            if not todo:
                raise RefusalError("reshapes to a shape that does not fit its input")
            taken = todo.pop(0)
            if taken.kind in ("column", "repeat"):
                left = target[0] // axis_sizes(tuple(axis), probes)[0]
                if left < taken.size and left > 0 and taken.size % left == 0:
                    inner = taken.size // left
                    todo.insert(0, Factor(taken.kind, (inner,) * probes, taken.stride))
                    taken = Factor(taken.kind, (left,) * probes, taken.stride * inner)
            axis.append(taken)
            sizes = axis_sizes(tuple(axis), probes)
            if any(size > most for size, most in zip(sizes, target, strict=True)):
                raise RefusalError("reshapes across rows and columns")
        result.append(merged(tuple(axis)))
    if any(max(factor.sizes) > 1 for factor in todo):
        raise RefusalError("reshapes to a shape that does not fit its input")
    return tuple(result)


def merged(axis: Axis) -> Axis:
    """Neighbouring column factors that continue each other become one; sizes of 1 vanish."""
    result: list[Factor] = []
    for factor in axis:
        if factor.kind in ("column", "repeat") and factor.size == 1:
            continue
        last = result[-1] if result else None
        if (
            last is not None
            and last.kind == factor.kind == "column"
            and last.stride == factor.size * factor.stride
        ):
            sizes = tuple(a * b for a, b in zip(last.sizes, factor.sizes, strict=True))
            result[-1] = Factor("column", sizes, factor.stride)
        elif last is not None and last.kind == factor.kind == "repeat":
            sizes = tuple(a * b for a, b in zip(last.sizes, factor.sizes, strict=True))
            result[-1] = Factor("repeat", sizes)
        else:
            result.append(factor)
    return tuple(result)


def expand(axes: Axes, targets: Sequence[Sequence[int]]) -> Axes:
    """ONNX Expand: axes of length 1 become repeats; new leading axes may only have length 1."""
    probes = len(targets)
    rank = max(len(axes), *(len(shape) for shape in targets))
    wide: list[Axis] = [()] * (rank - len(axes)) + list(axes)
    for position in range(rank):
        sizes = tuple(
            1 if position < rank - len(shape) else int(shape[position - rank + len(shape)])
            for shape in targets
        )
        now = axis_sizes(wide[position], probes)
        if all(size in (1, have) for size, have in zip(sizes, now, strict=True)):
            continue
        if now != (1,) * probes or len(set(sizes)) != 1:
            raise RefusalError("expands an axis by a size that changes with the input")
        wide[position] = (Factor("repeat", sizes),)
    return tuple(wide)


def cut(axis: Axis, start: int, size: int) -> tuple[Axis, int]:
    """Columns ``start .. start + size`` of an axis of columns, and by how much the offset grows."""
    if not axis and start == 0 and size == 1:
        return axis, 0
    if len(axis) != 1 or axis[0].kind != "column" or start < 0 or start + size > axis[0].size:
        raise RefusalError("takes a part of an axis that is not made of columns")
    factor = axis[0]
    return merged((Factor("column", (size,) * len(factor.sizes), factor.stride),)), (
        start * factor.stride
    )


def row_axes(axes: Axes) -> tuple[Factor, ...]:
    """The factors that are rows, in order."""
    return tuple(factor for axis in axes for factor in axis if factor.kind in ROW_KINDS)


def column_factors(axes: Axes) -> tuple[Factor, ...]:
    """The factors that are columns, in order; repeats show no others."""
    return tuple(factor for axis in axes for factor in axis if factor.kind == "column")


def offsets(axes: Axes) -> NDArray[np.int64]:
    """Column offsets over axes made of columns and repeats only, one array axis for each."""
    total = np.zeros((), np.int64)
    for axis in axes:
        steps = np.zeros(1, np.int64)
        for factor in axis:
            if factor.kind in ROW_KINDS:
                raise RefusalError("mixes rows into an axis of heads")
            own = np.arange(factor.size, dtype=np.int64) * factor.stride
            steps = (steps[:, None] + own[None, :]).reshape(-1)
        total = total[..., None] + steps
    return total


def span(view: View) -> int:
    """Width of the columns that a view shows, in any order; RefusalError if they have gaps."""
    factors = sorted(column_factors(view.axes), key=lambda factor: factor.stride)
    width = 1
    for factor in factors:
        if factor.stride != width:
            raise RefusalError("needs columns that lie side by side")
        width *= factor.size
    return width


def in_order(view: View) -> bool:
    """Whether the last axis alone holds the columns, side by side, behind the rows in order."""
    last = view.axes[-1] if view.axes else ()
    rows = row_axes(view.axes[:-1])
    plain = len(last) == 0 or (len(last) == 1 and last[0].kind == "column" and last[0].stride == 1)
    kinds = tuple(factor.kind for factor in rows)
    return (
        plain
        and all(factor.kind in ROW_KINDS for axis in view.axes[:-1] for factor in axis)
        and kinds in (("batch",), ("batch", "seq"), ("batch", "wanted"))
    )


def _resolved(axes: Axes, target: Sequence[int], probe: int, allow_zero: bool) -> list[int]:
    now = shape_of(axes, probe)
    shape = [int(size) for size in target]
    for position, size in enumerate(shape):
        if size == 0 and not allow_zero:
            if position >= len(now):
                raise RefusalError("keeps the length of an axis that its input does not have")
            shape[position] = now[position]
    if shape.count(-1) == 1:
        known = prod(size for size in shape if size != -1)
        if known == 0 or prod(now) % known:
            raise RefusalError("reshapes to a shape that does not fit its input")
        shape[shape.index(-1)] = prod(now) // known
    return shape
