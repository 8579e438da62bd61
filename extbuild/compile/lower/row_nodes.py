"""Elementwise nodes, statistics of rows and norms.

What the nodes of one row function are is not looked at: see rowfunctions.py. A node with two
different matrices is a sum or a gate; one with a known array is a rotation or a weighing of tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower import embedding, products, rotary, score_nodes
from extbuild.compile.lower.attributes import attribute_float
from extbuild.compile.lower.axes import column_factors
from extbuild.compile.lower.norm_nodes import complete_activation
from extbuild.compile.lower.pooling import divided_sum
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.rowfunctions import (
    erf,
    find_activation,
    find_norm,
    find_scale,
    gelu_erf,
    gelu_tanh,
    sigmoid,
)
from extbuild.compile.lower.settle import function_of, normalise, settled_view
from extbuild.compile.lower.state import Run, as_known
from extbuild.compile.lower.steps import Extra
from extbuild.compile.lower.values import (
    Float64,
    Int8Product,
    Known,
    Lookup,
    Meaning,
    Pieces,
    RowFunction,
    Scores,
    TableRows,
    TokenSum,
    View,
    Weighted,
)
from extbuild.compile.program import Activation, Norm, Op

UNARY: Mapping[str, Callable[[Float64], Float64]] = {
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Reciprocal": lambda x: 1 / x,
    "Exp": np.exp,
    "Erf": erf,
    "Tanh": np.tanh,
    "Sigmoid": sigmoid,
    "Relu": lambda x: np.maximum(x, 0),
}
BINARY: Mapping[str, Callable[[Float64, Float64], Float64]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
}


def unary(run: Run, node: ir.Node) -> Meaning:
    """One function of each element."""
    operation = UNARY[node.op_type]
    if node.op_type == "Abs":
        complete_activation(run, node.inputs[0])
    return _mapped(run, node.inputs[0], operation)


def gelu(run: Run, node: ir.Node) -> Meaning:
    """ONNX Gelu, in both its forms."""
    form = node.attributes.get("approximate")
    tanh = form is not None and form.as_string() == "tanh"
    return _mapped(run, node.inputs[0], gelu_tanh if tanh else gelu_erf)


def fast_gelu(run: Run, node: ir.Node) -> Meaning:
    """FastGelu without a bias: the tanh form."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        raise RefusalError("has a bias of its own")
    return _mapped(run, node.inputs[0], gelu_tanh)


def quick_gelu(run: Run, node: ir.Node) -> Meaning:
    """QuickGelu, which is SiLU if alpha is 1."""
    alpha = attribute_float(node, "alpha", 1.702)
    return _mapped(run, node.inputs[0], lambda x: x * sigmoid(alpha * x))


def clip(run: Run, node: ir.Node) -> Meaning:
    """Clip between constants, as norms do before they divide."""
    bounds = [
        None
        if index >= len(node.inputs) or node.inputs[index] is None
        else run.known(node.inputs[index]).number()
        for index in (1, 2)
    ]
    low = -np.inf if bounds[0] is None else bounds[0]
    high = np.inf if bounds[1] is None else bounds[1]
    return _mapped(run, node.inputs[0], lambda x: np.clip(x, low, high))


def quantised_rows(run: Run, node: ir.Node) -> Meaning:
    """QuantizeLinear to uint8 with one constant scale."""
    scale, zero = run.constant(node.inputs[1]), run.constant(node.inputs[2])
    if scale.size != 1 or zero.size != 1 or zero.dtype != np.uint8:
        raise RefusalError("quantises activations otherwise than to uint8 with one scale")
    by, shift = float(scale.reshape(-1)[0]), float(zero.reshape(-1)[0])
    return _mapped(run, node.inputs[0], lambda x: np.clip(np.rint(x / by) + shift, 0, 255))


def binary(run: Run, node: ir.Node) -> Meaning:
    """Two inputs, elementwise."""
    if len(node.inputs) != 2:
        raise RefusalError("combines more than two inputs")
    op = node.op_type
    left, right = run.meaning(node.inputs[0]), run.meaning(node.inputs[1])
    if isinstance(left, Scores) or isinstance(right, Scores):
        return score_nodes.with_scores(op, left, right)
    if isinstance(left, Int8Product) or isinstance(right, Int8Product):
        product, peak = (left, right) if isinstance(left, Int8Product) else (right, left)
        if op != "Mul" or not isinstance(product, Int8Product):
            raise RefusalError("changes an integer product otherwise than by the peak of its rows")
        return products.dequantised(run, product, peak)
    if isinstance(left, Lookup) or isinstance(right, Lookup):
        done = embedding.combined(run, op, left, right)
        if done is not None:
            return done
    if isinstance(left, TokenSum) and op == "Div" and (count := as_known(right)):
        return divided_sum(run, left, count)
    if isinstance(left, Weighted) and isinstance(right, Weighted):
        return rotary.turned(run, op, left, right)
    if isinstance(left, TableRows) and isinstance(right, TableRows) and op == "Mul":
        return embedding.scaled_rows(left, right)
    if isinstance(left, TableRows) and isinstance(right, Known):
        return embedding.shifted(op, left, right)
    if isinstance(right, TableRows) and isinstance(left, Known) and op == "Add":
        return embedding.shifted(op, right, left)
    if isinstance(left, Pieces | View) and (factor := as_known(right)) and _moves(factor):
        return _weighted(op, left, factor)
    if isinstance(right, Pieces | View) and (factor := as_known(left)) and _moves(factor):
        return _weighted(op, right, factor)
    return _of_rows(run, node, op)


def _of_rows(run: Run, node: ir.Node, op: str) -> Meaning:
    """Rows with numbers, vectors, functions of the same rows, or other rows."""
    values = list(node.inputs)
    held = [_row_like(run, value) for value in values]
    operation = BINARY[op]
    one, two = held
    if isinstance(one, Known) and not isinstance(two, Known):
        return _with_known(run, node, op, 1, one)
    if isinstance(two, Known) and not isinstance(one, Known):
        return _with_known(run, node, op, 0, two)
    if isinstance(one, Known) or isinstance(two, Known):
        raise RefusalError("combines arrays that change with the input and have no meaning here")
    left, right = function_of(one), function_of(two)
    if left.view.base == right.view.base:
        with np.errstate(all="ignore"):
            return RowFunction(left.view, operation(left.samples, right.samples))
    if op == "Mul":
        return _gate(run, node, left, right)
    if op not in ("Add", "Sub"):
        raise RefusalError("combines two different matrices otherwise than by sum or product")
    first, second = settled_view(run, values[0]), settled_view(run, values[1])
    if op == "Sub":
        second = replace(second, scale=-second.scale)
    return _sum(run, run.unscaled(first), run.unscaled(second))


def _with_known(run: Run, node: ir.Node, op: str, place: int, known: Known) -> Meaning:
    """Rows (input ``place``) and a constant: a number, or a vector along the row."""
    value = node.inputs[place]
    operation = BINARY[op]
    meaning = _row_like(run, value)
    if isinstance(meaning, Known):
        raise RefusalError("combines constants only")
    number = known.number()
    if number is not None:
        function = function_of(meaning)
        with np.errstate(all="ignore"):
            samples = (
                operation(function.samples, np.asarray(number, np.float64))
                if place == 0
                else operation(np.asarray(number, np.float64), function.samples)
            )
        scale = find_scale(samples) if isinstance(meaning, View) else None
        if scale is not None:
            if op == "Mul" or (op == "Div" and place == 0):
                scale = meaning_scale(meaning) * (number if op == "Mul" else 1 / number)
            return replace(function.view, scale=scale)
        return RowFunction(function.view, samples)
    view = function_of(meaning).view
    vector = known.vector(view.width)
    if vector is None:
        raise RefusalError("combines activations with an array that is no vector along their rows")
    if op == "Mul" and isinstance(meaning, RowFunction):
        found = find_norm(meaning.samples)
        if found is not None and found.norm is not Norm.L2:
            return normalise(run, view, found, vector, None, None)
    if op in ("Add", "Sub") and (op == "Add" or place == 0):
        shift = vector if op == "Add" else -vector
        return _biased(run, run.unscaled(settled_view(run, value)), shift)
    raise RefusalError("combines each column with its own number, which no operation does here")


def meaning_scale(meaning: View | RowFunction) -> float:
    """The scale that a view has already."""
    return meaning.scale if isinstance(meaning, View) else 1.0


def _biased(run: Run, view: View, vector: np.ndarray) -> View:
    if column_factors(view.axes[:-1]):
        raise RefusalError("adds one vector to each of several heads")
    view = run.compact(view)
    region = run.region(view)
    made = run.emit(
        Extra.BIAS, run.rows_of(view.axes), region.width, a=region, bias=vector.astype(np.float32)
    )
    return replace(view, value=made, offset=0)


def _sum(run: Run, first: View, second: View) -> View:
    first, second = run.compact(first), run.compact(second)
    if first.axes != second.axes:
        raise RefusalError("adds matrices whose axes differ")
    one, two = run.region(first), run.region(second)
    made = run.emit(Op.ADD, run.rows_of(first.axes), one.width, a=one, b=two, p=(one.width,))
    return View(made, first.axes)


def _gate(run: Run, node: ir.Node, left: RowFunction, right: RowFunction) -> View:
    """GLU: one matrix through an activation, times another."""
    activation = find_activation(left.samples)
    first, second = 0, 1
    if activation is None and find_scale(left.samples) is not None:
        activation, first, second = find_activation(right.samples), 1, 0
    if activation is None:
        one = run.unscaled(settled_view(run, node.inputs[0]))
        first, second, activation = 0, 1, Activation.NONE
    else:
        one = (left, right)[first].view
    two = run.unscaled(settled_view(run, node.inputs[second]))
    one, two = run.compact(one), run.compact(two)
    if one.axes != two.axes:
        raise RefusalError("multiplies matrices whose axes differ")
    a, b = run.region(one), run.region(two)
    words = (int(activation), a.width)
    made = run.emit(Op.GLU, run.rows_of(one.axes), a.width, a=a, b=b, p=words)
    return View(made, one.axes)


def _row_like(run: Run, value: ir.Value | None) -> View | RowFunction | Known:
    meaning = run.meaning(value)
    if isinstance(meaning, RowFunction | Known):
        return meaning
    if isinstance(meaning, TableRows):
        known = as_known(meaning)
        if known is not None:
            return known
    return settled_view(run, value)


def _mapped(run: Run, value: ir.Value | None, operation: Callable[[Float64], Float64]) -> Meaning:
    meaning = _row_like(run, value)
    if isinstance(meaning, Known):
        raise RefusalError("maps a constant")
    function = function_of(meaning)
    with np.errstate(all="ignore"):
        samples = operation(function.samples)
    scale = find_scale(samples)
    if isinstance(meaning, View) and scale is not None:
        return replace(meaning, scale=scale)
    return RowFunction(function.view, samples)


def _moves(known: Known) -> bool:
    return not known.constant and known.number() is None


def _weighted(op: str, held: Pieces | View, factor: Known) -> Meaning:
    if op != "Mul":
        raise RefusalError("combines activations with positions otherwise than by product")
    if isinstance(held, View):
        return Weighted((held,), factor)
    pieces = tuple(one for one in held.views if isinstance(one, View))
    if len(pieces) != len(held.views):
        raise RefusalError("turns what has been turned already")
    return Weighted(pieces, factor)
