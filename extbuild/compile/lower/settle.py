"""Completing what is half done: lookups, functions of rows and rotations become steps."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower.axes import span
from extbuild.compile.lower.matrices import Blocked, Dense, Int8, Matrix
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.rowfunctions import (
    FoundNorm,
    find_activation,
    find_norm,
    find_scale,
    sample_rows,
)
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.steps import Vector
from extbuild.compile.lower.values import Lookup, Meaning, Rotated, RowFunction, View
from extbuild.compile.program import Activation, Norm, Op, Rows, float_word


def settled(run: Run, value: ir.Value | None) -> Meaning:
    """The meaning of a value, completed if it was half done; the completed one is remembered."""
    meaning = run.meaning(value)
    if value is None or not isinstance(meaning, RowFunction | Lookup | Rotated):
        return meaning
    nodes = run.pending.get(value, set())
    steps = len(run.steps.steps)
    done = complete(run, meaning, nodes)
    if len(run.steps.steps) > steps:
        run.pending[value] = set()
    run.meanings[value] = done
    return done


def settled_view(run: Run, value: ir.Value | None) -> View:
    """A value that must be a computed matrix of activations."""
    found = settled(run, value)
    if not isinstance(found, View):
        raise RefusalError(f"reads {_told(value)}, which is not a matrix of activations here")
    return found


def complete(run: Run, meaning: RowFunction | Lookup | Rotated, nodes: set[int]) -> View:
    """Record the step that a meaning stands for."""
    match meaning:
        case RowFunction():
            return _complete_function(run, meaning, nodes)
        case Lookup():
            return _complete_lookup(run, meaning, nodes)
        case Rotated():
            return rotate(run, meaning, meaning.view, nodes)


def _complete_function(run: Run, function: RowFunction, nodes: set[int]) -> View:
    scale = find_scale(function.samples)
    if scale is not None:
        return replace(function.view, scale=scale)
    activation = find_activation(function.samples)
    if activation is not None:
        return activate(run, function.view, activation, nodes)
    norm = find_norm(function.samples)
    if norm is not None:
        return normalise(run, function.view, norm, None, None, nodes)
    raise RefusalError("needs a function of its input that no operation of the engine computes")


def activate(run: Run, view: View, activation: Activation, nodes: set[int] | None) -> View:
    """ACTIVATE on the columns of a view."""
    view = run.compact(run.unscaled(view))
    region = run.region(view)
    words = (int(activation), region.width)
    rows = run.rows_of(view.axes)
    made = run.emit(Op.ACTIVATE, rows, region.width, a=region, p=words, nodes=nodes)
    return View(made, view.axes)


def normalise(
    run: Run,
    view: View,
    norm: FoundNorm,
    weight: Vector | None,
    bias: Vector | None,
    nodes: set[int] | None,
) -> View:
    """NORM over the last axis of a view, which may be one head of several."""
    view = run.compact(run.unscaled(view))
    last = view.axes[-1]
    size = view.width
    if len(last) != 1 or last[0].stride != 1:
        raise RefusalError("normalises an axis that is not made of columns side by side")
    width = span(view)
    groups = width // size
    if norm.norm is Norm.L2:
        if groups != 1 or weight is not None or bias is not None:
            raise RefusalError("scales to length 1 per head, or with weights")
        words = (int(norm.norm), float_word(norm.eps), 1, width)
    else:
        weight = np.ones(size, np.float32) if weight is None else weight
        words = (int(norm.norm), float_word(norm.eps), groups, 0)
    made = run.emit(
        Op.NORM,
        run.rows_of(view.axes),
        width,
        a=run.region(view),
        weight=weight,
        bias=bias,
        p=words,
        nodes=nodes,
    )
    return View(made, view.axes)


def _complete_lookup(run: Run, lookup: Lookup, nodes: set[int]) -> View:
    matrix = table_of(lookup)
    vocabulary, width = matrix.shape
    if run.vocab_size and run.vocab_size != vocabulary:
        raise RefusalError("looks tokens up in tables of different lengths")
    run.vocab_size = vocabulary
    second: Matrix | None = lookup.positions
    if lookup.shift is not None:
        if isinstance(second, Dense):
            second = Dense(second.values + lookup.shift, half=False)
        elif isinstance(second, Int8):
            whole = second.values * second.scales[:, None] + lookup.shift
            second = Dense(whole.astype(np.float32), half=False)
        elif isinstance(matrix, Dense):
            matrix = Dense(matrix.values + lookup.shift, half=False)
        else:
            raise RefusalError("adds a vector to a quantised table without positions")
    rows = run.rows_of(lookup.axes)
    if rows is not Rows.TOKENS:
        raise RefusalError("looks up something other than one row per token")
    made = run.emit(
        Op.EMBED, rows, width, matrix=matrix, second=second, p=(lookup.first,), nodes=nodes
    )
    return View(made, lookup.axes)


def table_of(lookup: Lookup) -> Matrix:
    """The table of a lookup as a matrix."""
    table = lookup.table
    if isinstance(table, Dense | Int8 | Blocked):
        return table
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.floating):
        raise RefusalError("looks tokens up in a table that is not a matrix of floats")
    return Dense(table.astype(np.float32), lookup.half)


def rotate(run: Run, turned: Rotated, whole: View, nodes: set[int] | None) -> View:
    """ROPE on ``whole``, whose first columns of each head are ``turned.view``."""
    whole = run.compact(whole)
    head_dim = whole.width
    last = whole.axes[-1]
    if len(last) != 1 or last[0].stride != 1:
        raise RefusalError("turns an axis that is not made of columns side by side")
    width = span(whole)
    rotary = 2 * turned.frequencies.size
    made = run.emit(
        Op.ROPE,
        run.rows_of(whole.axes),
        width,
        a=run.region(whole),
        weight=turned.frequencies,
        p=(width // head_dim, head_dim, rotary, float_word(turned.multiplier)),
        nodes=nodes,
    )
    return View(made, whole.axes, scale=whole.scale)


def function_of(meaning: View | RowFunction) -> RowFunction:
    """A view as a function of its own rows, without scale."""
    if isinstance(meaning, RowFunction):
        return meaning
    base = replace(meaning, scale=1.0)
    return RowFunction(base, sample_rows(meaning.width) * meaning.scale)


def _told(value: ir.Value | None) -> str:
    return "nothing" if value is None else str(value.name)
