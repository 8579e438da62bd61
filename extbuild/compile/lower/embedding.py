"""Looking tokens up: tables in any stored form, positions, and what is added to every row."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower.attributes import attribute_int
from extbuild.compile.lower.axes import shape_of
from extbuild.compile.lower.layout_nodes import column_range
from extbuild.compile.lower.matrices import Dense, Int8
from extbuild.compile.lower.pooling import first_token, replaced, wanted_tokens
from extbuild.compile.lower.products import blocked_matrix, oriented
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.settle import settled_view
from extbuild.compile.lower.state import Run, TooLongError, as_known
from extbuild.compile.lower.values import (
    Ids,
    Known,
    Lookup,
    Meaning,
    TableRows,
    View,
)


def gather(run: Run, node: ir.Node) -> Meaning:
    """Gather: tokens of a table, positions of a table, tokens of a text, columns of a view."""
    data, index = run.meaning(node.inputs[0]), run.meaning(node.inputs[1])
    axis = attribute_int(node, "axis", 0)
    if isinstance(data, Known) and isinstance(index, Ids):
        return _lookup(run, data, index, axis)
    known = as_known(index)
    if known is None:
        raise RefusalError("gathers at indices that are neither tokens nor positions")
    if isinstance(data, Known):
        return table_rows(run, data, known)
    view = settled_view(run, node.inputs[0])
    return _from_view(run, view, known, axis % len(view.axes))


def is_table_of_positions(data: Meaning, index: Meaning, axis: int) -> bool:
    """Whether a Gather of known arrays should stay a lookup rather than be computed."""
    return (
        isinstance(data, Known)
        and isinstance(index, Known)
        and data.constant
        and not index.constant
        and axis == 0
        and data.array.ndim in (1, 2)
        and (data.array.dtype == np.int8 or bool(np.issubdtype(data.array.dtype, np.floating)))
    )


def stay_rows(node: ir.Node, given: Sequence[Meaning | None]) -> bool:
    """Whether rows of a table stay rows of a table; else the node computes with their numbers."""
    tables = [one for one in given if isinstance(one, TableRows)]
    if not tables:
        return False
    if node.op_type == "Mul":
        return len(tables) == 2 and any(one.table.dtype == np.int8 for one in tables)
    if node.op_type == "Add":
        others = [one for one in given if isinstance(one, Known)]
        width = tables[0].table.shape[-1]
        return len(others) == 1 and others[0].constant and others[0].vector(width) is not None
    return node.op_type in ("Unsqueeze", "Expand", "Identity", "Cast", "Shape")


def table_rows(run: Run, table: Known, index: Known) -> TableRows:
    """Rows of a table at known indices; TooLongError if the longest probe goes beyond its end."""
    rows = table.array.shape[0]
    beyond = int(index.arrays[-1].max(initial=0)) - rows + 1
    if beyond > 0:
        raise TooLongError(longest(run) - beyond)
    return TableRows(table.array, table.half, index.arrays, oriented(table, 0))


def longest(run: Run) -> int:
    """Tokens of the longest text that the probes try."""
    return run.probes[-1].total


def block_lookup(run: Run, node: ir.Node) -> Meaning:
    """GatherBlockQuantized of a constant table ``(vocab, width)``."""
    index = run.meaning(node.inputs[1])
    data = run.constant(node.inputs[0])
    if not isinstance(index, Ids) or data.ndim != 2 or attribute_int(node, "gather_axis", 0) != 0:
        raise RefusalError("looks up something else than one row of a matrix per token")
    if attribute_int(node, "quantize_axis", 1) not in (1, -1):
        raise RefusalError("looks up rows that are quantised along the vocabulary")
    bits = attribute_int(node, "bits", 4)
    zeros = run.constant(node.inputs[3]) if len(node.inputs) > 3 else None
    matrix = blocked_matrix(
        data,
        run.constant(node.inputs[2]),
        zeros,
        rows=data.shape[0],
        cols=data.shape[1] * (8 // bits),
        bits=bits,
        block=attribute_int(node, "block_size", 128),
    )
    return Lookup((*index.axes, run.columns(matrix.shape[1])), matrix)


def combined(run: Run, op: str, left: Meaning, right: Meaning) -> Meaning | None:
    """A lookup with its scales, positions or a constant row; ``None`` if it is something else."""
    lookup, other = (left, right) if isinstance(left, Lookup) else (right, left)
    if not isinstance(lookup, Lookup):
        return None
    if isinstance(other, Lookup) and op == "Mul":
        return _with_scales(lookup, other) or _with_scales(other, lookup)
    if op != "Add":
        return None
    if isinstance(other, TableRows):
        return _with_positions(run, lookup, other)
    if isinstance(other, Known):
        width = shape_of(lookup.axes, 0)[-1]
        vector = other.vector(width)
        if vector is None:
            return None
        return replace(lookup, shift=vector if lookup.shift is None else lookup.shift + vector)
    return None


def scaled_rows(left: TableRows, right: TableRows) -> TableRows:
    """Rows of int8 times the scale of each row."""
    rows, scales = (left, right) if left.table.ndim == 2 else (right, left)
    fits = all(
        np.array_equal(one[..., None], two)
        for one, two in zip(rows.index, scales.index, strict=True)
    )
    if rows.table.dtype != np.int8 or scales.table.ndim != 1 or not fits:
        raise RefusalError("multiplies rows of two tables")
    held = Int8(rows.table, scales.table.astype(np.float32))
    return TableRows(held.values * held.scales[:, None], False, rows.index, held)


def shifted(op: str, rows: TableRows, other: Known) -> TableRows:
    """Rows of a table plus one vector: rows of the table plus that vector."""
    vector = other.vector(rows.table.shape[-1]) if rows.table.ndim == 2 else None
    if vector is None or op != "Add":
        raise RefusalError("changes rows of a table otherwise than by adding a vector")
    return TableRows(rows.table.astype(np.float32) + vector, False, rows.index)


def _lookup(run: Run, data: Known, ids: Ids, axis: int) -> Lookup:
    if not data.constant or data.array.ndim not in (1, 2):
        raise RefusalError("looks tokens up in something else than a constant table")
    table = data.array
    if data.array.ndim == 1:
        return Lookup(ids.axes, table)
    if data.stored is not None:
        stored = oriented(data, axis % 2)
        if stored is None:
            raise RefusalError("looks up rows that are quantised along the vocabulary")
        column = run.columns(stored.shape[1])
        return Lookup((*ids.axes, column) if axis % 2 == 0 else (column, *ids.axes), stored)
    if axis % 2 == 0:
        return Lookup((*ids.axes, run.columns(table.shape[1])), table, data.half)
    return Lookup((run.columns(table.shape[0]), *ids.axes), table.T, data.half)


def _with_scales(lookup: Lookup, scales: Lookup) -> Lookup | None:
    """Rows of int8 times the scale of each row, where the axes of both fit."""
    table, factors = lookup.table, scales.table
    if not isinstance(table, np.ndarray) or not isinstance(factors, np.ndarray):
        return None
    if table.ndim != 2 or factors.ndim != 1 or table.dtype != np.int8:
        return None
    missing = len(lookup.axes) - len(scales.axes)
    if missing < 0:
        return None
    padded = ((),) * missing + scales.axes
    for own, other in zip(lookup.axes, padded, strict=True):
        rows = tuple(factor for factor in own if factor.kind != "column")
        if rows != other:
            return None
    return replace(lookup, table=Int8(table, factors.astype(np.float32)))


def _with_positions(run: Run, lookup: Lookup, rows: TableRows) -> Lookup:
    """A lookup plus rows of a table at ``position + first``, or at one and the same index."""
    if rows.table.ndim != 2:
        raise RefusalError("adds a number per position")
    if len({int(value) for array in rows.index for value in np.unique(array)}) == 1:
        shift = rows.table[int(rows.index[0].reshape(-1)[0])].astype(np.float32)
        return replace(lookup, shift=shift if lookup.shift is None else lookup.shift + shift)
    if lookup.positions is not None:
        raise RefusalError("adds two tables of positions")
    first = int(rows.index[-1].reshape(-1)[-1]) - (longest(run) - 1)
    for probe, index in zip(run.probes, rows.index, strict=True):
        shape = shape_of(lookup.axes[:-1], run.probes.index(probe))
        try:
            whole = np.broadcast_to(index, shape).reshape(probe.batch, probe.seq)
        except ValueError as error:
            raise RefusalError(f"adds positions of the shape {index.shape} to {shape}") from error
        if (whole[probe.real] != probe.positions[probe.real] + first).any() or first < 0:
            raise RefusalError("adds rows of a table that are not those of the tokens' positions")
    table = rows.stored or Dense(rows.table.astype(np.float32), rows.half)
    return replace(lookup, positions=table, first=first)


def _from_view(run: Run, view: View, index: Known, place: int) -> View:
    axis = view.axes[place]
    number = index.number()
    if tuple(factor.kind for factor in axis) == ("seq",):
        if number == 0:
            first = first_token(run, view, place)
            axes = first.axes
            kept = index.array.ndim > 0
            return first if kept else replace(first, axes=(*axes[:place], *axes[place + 1 :]))
        if all(
            array.shape == (len(probe.wanted),) and (array == np.asarray(probe.wanted)).all()
            for probe, array in zip(run.probes, index.arrays, strict=True)
        ):
            return wanted_tokens(run, view, place)
        raise RefusalError("gathers tokens that are neither the first nor the wanted ones")
    if number is None or number < 0:
        raise RefusalError("gathers columns otherwise than one index")
    part = column_range(view, place, int(number), 1)
    if index.array.ndim > 0:
        return replace(part, axes=replaced(part.axes, place, ()))
    return replace(part, axes=(*part.axes[:place], *part.axes[place + 1 :]))
