"""Nodes that only rearrange: they cost no operation, because views carry their own axes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower.attributes import attribute_int
from extbuild.compile.lower.axes import cut, expand, reshape, shape_of
from extbuild.compile.lower.pooling import first_token
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.settle import settled
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.values import (
    Ids,
    Known,
    Lookup,
    Meaning,
    Past,
    Pieces,
    Rotated,
    RowFunction,
    Scores,
    TableRows,
    TokenSum,
    View,
    Weighted,
)

Arranged = View | Ids | Lookup | Scores | TokenSum


def arranged(run: Run, value: ir.Value | None) -> Arranged:
    """A value that has axes of its own."""
    found = run.meaning(value)
    if isinstance(found, Lookup):
        return found
    found = settled(run, value)
    if isinstance(found, Arranged):
        return found
    raise RefusalError("rearranges something that is not yet a matrix of activations")


def shape(run: Run, node: ir.Node) -> Meaning:
    """Shape of anything, in every probe."""
    meaning = run.meaning(node.inputs[0])
    start = attribute_int(node, "start", 0)
    end = node.attributes.get("end")
    window = slice(start, None if end is None else end.as_int())
    return Known(
        tuple(np.asarray(_shape(meaning, probe)[window], np.int64) for probe in range(run.count))
    )


def _shape(meaning: Meaning, probe: int) -> tuple[int, ...]:
    match meaning:
        case Known():
            return meaning.arrays[probe].shape
        case TableRows():
            return (*meaning.index[probe].shape, *meaning.table.shape[1:])
        case Past():
            return meaning.sizes[probe]
        case RowFunction():
            whole = shape_of(meaning.view.axes, probe)
            return (*whole[:-1], meaning.samples.shape[1])
        case Rotated():
            return shape_of(meaning.view.axes, probe)
        case Weighted() | Pieces():
            parts = meaning.pieces if isinstance(meaning, Weighted) else meaning.views
            shapes = [_shape(part, probe) for part in parts]
            return (*shapes[0][:-1], sum(one[-1] for one in shapes))
        case View() | Ids() | Lookup() | Scores() | TokenSum():
            return shape_of(meaning.axes, probe)
        case _:
            raise RefusalError("asks for the shape of something that has none of its own")


def reshaped(run: Run, node: ir.Node) -> Meaning:
    """Reshape: factors are regrouped."""
    held = arranged(run, node.inputs[0])
    targets = [array.reshape(-1).tolist() for array in run.known(node.inputs[1]).arrays]
    allow_zero = attribute_int(node, "allowzero", 0) == 1
    return replace(held, axes=reshape(held.axes, targets, allow_zero))


def flatten(run: Run, node: ir.Node) -> Meaning:
    """Flatten to two axes."""
    held = arranged(run, node.inputs[0])
    axis = attribute_int(node, "axis", 1) % (len(held.axes) + 1)
    targets = []
    for probe in range(run.count):
        sizes = shape_of(held.axes, probe)
        first = int(np.prod(sizes[:axis], dtype=np.int64))
        targets.append([first, -1])
    return replace(held, axes=reshape(held.axes, targets, allow_zero=True))


def squeezed(run: Run, node: ir.Node) -> Meaning:
    """Squeeze: axes of length 1 go."""
    held = arranged(run, node.inputs[0])
    axes = held.axes
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        gone = {int(axis) % len(axes) for axis in run.constant(node.inputs[1]).reshape(-1)}
    else:
        gone = {index for index, axis in enumerate(axes) if not axis}
    if any(axes[index] for index in gone):
        raise RefusalError("drops an axis that is longer than 1")
    return replace(held, axes=tuple(one for index, one in enumerate(axes) if index not in gone))


def unsqueezed(run: Run, node: ir.Node) -> Meaning:
    """Unsqueeze: axes of length 1 come."""
    added = [int(axis) for axis in run.constant(node.inputs[1]).reshape(-1)]
    meaning = run.meaning(node.inputs[0])
    if isinstance(meaning, TableRows):
        behind = meaning.table.ndim - 1
        rank = meaning.index[0].ndim + behind + len(added)
        places = sorted(axis % rank for axis in added)
        if behind and places[-1] == rank - 1:
            raise RefusalError("puts an axis behind the rows of a table")
        index = meaning.index
        for place in places:
            index = tuple(np.expand_dims(array, place) for array in index)
        return replace(meaning, index=index)
    held = arranged(run, node.inputs[0])
    axes = list(held.axes)
    for place in sorted(axis % (len(axes) + len(added)) for axis in added):
        axes.insert(place, ())
    return replace(held, axes=tuple(axes))


def transposed(run: Run, node: ir.Node) -> Meaning:
    """Transpose: axes change places."""
    held = arranged(run, node.inputs[0])
    perm = node.attributes.get("perm")
    rank = len(held.axes)
    order: Sequence[int] = range(rank - 1, -1, -1) if perm is None else perm.as_ints()
    return replace(held, axes=tuple(held.axes[index] for index in order))


def expanded(run: Run, node: ir.Node) -> Meaning:
    """Expand: repeats, which only keys and values of grouped queries may keep."""
    meaning = run.meaning(node.inputs[0])
    targets = [array.reshape(-1).tolist() for array in run.known(node.inputs[1]).arrays]
    if isinstance(meaning, RowFunction):
        # A statistic of each row, spread over the row: elementwise nodes do that anyway.
        for probe in range(run.count):
            whole = shape_of(meaning.view.axes, probe)
            if tuple(targets[probe][-len(whole) :]) != whole and any(
                size != 1 for size in targets[probe]
            ):
                raise RefusalError("spreads a statistic of a row to another shape")
        return meaning
    if isinstance(meaning, TableRows):
        if meaning.table.ndim == 1:
            raise RefusalError("spreads numbers of a table to another shape")
        index = tuple(
            np.broadcast_to(array, np.broadcast_shapes(array.shape, tuple(target[:-1])))
            for array, target in zip(meaning.index, targets, strict=True)
        )
        return replace(meaning, index=index)
    held = arranged(run, node.inputs[0])
    return replace(held, axes=expand(held.axes, targets))


def cast(run: Run, node: ir.Node) -> Meaning:
    """Cast between floats, or of token ids between integers: the engine has one type of each."""
    meaning = run.meaning(node.inputs[0])
    to = ir.DataType(node.attributes["to"].as_int())
    if isinstance(meaning, Ids):
        fits = to in (ir.DataType.INT64, ir.DataType.INT32)
    else:
        fits = to.is_floating_point()
    if not fits:
        raise RefusalError(f"casts to {to.name}")
    return meaning


def same(run: Run, node: ir.Node) -> Meaning:
    """Identity, and Dropout at inference."""
    return run.meaning(node.inputs[0])


def sliced(run: Run, node: ir.Node) -> Meaning:
    """Slice of columns, of the first token, or of rows of a table."""
    given = [run.known(value) if value is not None else None for value in node.inputs[1:]]
    starts, ends = given[0], given[1]
    if starts is None or ends is None:
        raise RefusalError("lacks where to begin or to end")
    axes = given[2] if len(given) > 2 else None
    steps = given[3] if len(given) > 3 else None
    if steps is not None and any((array != 1).any() for array in steps.arrays):
        raise RefusalError("takes a part in steps")
    held = arranged(run, node.inputs[0])
    places = (
        range(starts.array.size)
        if axes is None
        else [int(axis) % len(held.axes) for axis in axes.array.reshape(-1)]
    )
    for index, place in enumerate(places):
        bounds = [
            slice(int(a.reshape(-1)[index]), int(b.reshape(-1)[index])).indices(size)
            for a, b, size in zip(
                starts.arrays,
                ends.arrays,
                [shape_of(held.axes, probe)[place] for probe in range(run.count)],
                strict=True,
            )
        ]
        held = _part(run, held, place, bounds)
    return held


def _part(run: Run, held: Arranged, place: int, bounds: Sequence[tuple[int, int, int]]) -> Arranged:
    sizes = [shape_of(held.axes, probe)[place] for probe in range(run.count)]
    if all((start, end) == (0, size) for (start, end, _), size in zip(bounds, sizes, strict=True)):
        return held
    if len(set(bounds)) != 1 or not isinstance(held, View):
        raise RefusalError("takes a part that is not a range of columns")
    start, end, _ = bounds[0]
    if (start, end) == (0, 1) and tuple(one.kind for one in held.axes[place]) == ("seq",):
        return first_token(run, held, place)
    return column_range(held, place, start, end - start)


def column_range(view: View, place: int, start: int, size: int) -> View:
    """Part of an axis of columns."""
    axis, offset = cut(view.axes[place], start, size)
    axes = (*view.axes[:place], axis, *view.axes[place + 1 :])
    return replace(view, axes=axes, offset=view.offset + offset)


def split(run: Run, node: ir.Node) -> list[Meaning]:
    """Split into ranges of columns."""
    held = arranged(run, node.inputs[0])
    if not isinstance(held, View):
        raise RefusalError("splits something that is not a matrix of activations")
    place = attribute_int(node, "axis", 0) % len(held.axes)
    whole = shape_of(held.axes, 0)[place]
    parts = len(node.outputs)
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        sizes = [int(size) for size in run.constant(node.inputs[1]).reshape(-1)]
    else:
        size = -(-whole // parts)
        sizes = [min(size, whole - size * index) for index in range(parts)]
    starts = np.cumsum([0, *sizes])
    return [
        column_range(held, place, int(start), size)
        for start, size in zip(starts, sizes, strict=False)
    ]
