"""Concat: columns of one value, halves of a rotation, or the cache and what is new."""

from dataclasses import replace

import onnx_ir as ir

from extbuild.compile.lower.attention import append_to_cache
from extbuild.compile.lower.attributes import attribute_int
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.settle import rotate, settled
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.values import Meaning, Past, Pieces, Rotated, View


def concat(run: Run, node: ir.Node) -> Meaning:
    """Concat of columns of one value, or of the cache and what is new."""
    meanings = [run.meaning(value) for value in node.inputs]
    axis = attribute_int(node, "axis", 0)
    if isinstance(meanings[0], Past) and len(meanings) == 2:
        return append_to_cache(run, meanings[0], settled(run, node.inputs[1]), axis)
    parts: list[View | Rotated] = []
    for value, meaning in zip(node.inputs, meanings, strict=True):
        one = meaning if isinstance(meaning, Rotated) else settled(run, value)
        if not isinstance(one, View | Rotated):
            raise RefusalError("joins something that is not a matrix of activations")
        parts.append(one)
    first = parts[0].axes if isinstance(parts[0], View) else parts[0].view.axes
    if axis % len(first) != len(first) - 1:
        raise RefusalError("joins along another axis than the last")
    return _joined(run, parts)


def _joined(run: Run, parts: list[View | Rotated]) -> Meaning:
    result: list[View | Rotated] = []
    for part in parts:
        last = result[-1] if result else None
        if isinstance(last, View) and isinstance(part, View) and (both := _beside(run, last, part)):
            result[-1] = both
        elif (
            isinstance(last, Rotated)
            and isinstance(part, View)
            and (whole := _beside(run, last.view, part))
        ):
            result[-1] = rotate(run, last, whole, None)
        else:
            result.append(part)
    if len(result) == 1:
        return result[0]
    return Pieces(tuple(result))


def _beside(run: Run, left: View, right: View) -> View | None:
    """Both as one view, where the columns of one lie right behind those of the other."""
    if (
        (left.value, left.scale) != (right.value, right.scale)
        or left.axes[:-1] != right.axes[:-1]
        or right.offset != left.offset + left.width
        or len(left.axes[-1]) > 1
        or len(right.axes[-1]) > 1
        or any(axis and axis[0].stride != 1 for axis in (left.axes[-1], right.axes[-1]))
    ):
        return None
    return replace(left, axes=(*left.axes[:-1], run.columns(left.width + right.width)))
