"""Statistics of rows, and norms that are one node."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower.attributes import attribute_float, attribute_int
from extbuild.compile.lower.pooling import mean_of_tokens, replaced, sum_of_tokens
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.rowfunctions import FoundNorm, find_activation
from extbuild.compile.lower.settle import function_of, normalise, settled, settled_view
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.steps import Vector
from extbuild.compile.lower.values import Float64, Meaning, RowFunction, View, Weighted
from extbuild.compile.program import Norm

REDUCTIONS: Mapping[str, Callable[[Float64], Float64]] = {
    "ReduceMean": lambda x: x.mean(axis=-1, keepdims=True),
    "ReduceSum": lambda x: x.sum(axis=-1, keepdims=True),
    "ReduceMax": lambda x: x.max(axis=-1, keepdims=True),
    "ReduceL2": lambda x: np.sqrt((x**2).sum(axis=-1, keepdims=True)),
    "ReduceSumSquare": lambda x: (x**2).sum(axis=-1, keepdims=True),
}


def reduction(run: Run, node: ir.Node) -> Meaning:
    """A statistic of each row, or a sum over tokens."""
    meaning = run.meaning(node.inputs[0])
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        axes = [int(axis) for axis in run.constant(node.inputs[1]).reshape(-1)]
    else:
        given = node.attributes.get("axes")
        axes = [] if given is None else list(given.as_ints())
    keep = attribute_int(node, "keepdims", 1) == 1
    if len(axes) != 1:
        raise RefusalError("reduces more than one axis")
    if isinstance(meaning, Weighted) and node.op_type == "ReduceSum":
        return sum_of_tokens(run, meaning, axes[0] % len(meaning.pieces[0].axes), keep)
    complete_activation(run, node.inputs[0])
    meaning = run.meaning(node.inputs[0])
    if not isinstance(meaning, RowFunction):
        meaning = settled_view(run, node.inputs[0])
    view = meaning.view if isinstance(meaning, RowFunction) else meaning
    place = axes[0] % len(view.axes)
    if place == len(view.axes) - 1:
        if not keep:
            raise RefusalError("reduces a row without keeping its axis")
        function = function_of(meaning)
        with np.errstate(all="ignore"):
            return RowFunction(function.view, REDUCTIONS[node.op_type](function.samples))
    kinds = tuple(factor.kind for factor in view.axes[place])
    if isinstance(meaning, View) and node.op_type == "ReduceMean" and kinds == ("seq",):
        axes_left = replaced(view.axes, place, ())
        if not keep:
            axes_left = (*axes_left[:place], *axes_left[place + 1 :])
        return mean_of_tokens(run, meaning, axes_left)
    raise RefusalError("reduces an axis that is neither a row nor the mean of tokens")


def layer_norm(run: Run, node: ir.Node) -> Meaning:
    """LayerNormalization, RMSNormalization and SimplifiedLayerNormalization."""
    view = settled_view(run, node.inputs[0])
    if attribute_int(node, "axis", -1) not in (-1, len(view.axes) - 1):
        raise RefusalError("normalises more than the last axis")
    norm = Norm.LAYER if node.op_type == "LayerNormalization" else Norm.RMS
    found = FoundNorm(norm, attribute_float(node, "epsilon", 1e-5))
    weight = _vector(run, node.inputs[1], view.width)
    bias = None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = _vector(run, node.inputs[2], view.width)
    return normalise(run, view, found, weight, bias, None)


def unit_length(run: Run, node: ir.Node) -> Meaning:
    """LpNormalization with p = 2."""
    view = settled_view(run, node.inputs[0])
    if (
        attribute_int(node, "p", 2) != 2
        or attribute_int(node, "axis", -1) % len(view.axes) != len(view.axes) - 1
    ):
        raise RefusalError("normalises otherwise than rows to length 1")
    eps = float(np.finfo(np.float32).tiny)
    return normalise(run, view, FoundNorm(Norm.L2, eps), None, None, None)


def _vector(run: Run, value: ir.Value | None, width: int) -> Vector:
    vector = run.known(value).vector(width)
    if vector is None:
        raise RefusalError(f"has weights that are no constant vector of {width}")
    return vector


def complete_activation(run: Run, value: ir.Value | None) -> None:
    """Before a statistic: rows that went through an activation are rows of their own."""
    meaning = run.meaning(value)
    if isinstance(meaning, RowFunction) and find_activation(meaning.samples) is not None:
        settled(run, value)
