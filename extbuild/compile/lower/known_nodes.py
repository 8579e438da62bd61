"""Nodes whose inputs depend on sizes and positions only: they are computed, for every probe."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower.attributes import attribute_int
from extbuild.compile.lower.embedding import is_table_of_positions, longest, table_rows
from extbuild.compile.lower.evaluate import compute
from extbuild.compile.lower.products import dequantise
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.state import Run, TooLongError
from extbuild.compile.lower.values import Array, Known, Meaning, TableRows

MOST_FREQUENCIES = 1024
FAR = 2**31


def computed(run: Run, node: ir.Node, inputs: Sequence[Known | None]) -> list[Meaning]:
    """The outputs of a node of known inputs."""
    first = inputs[0] if inputs else None
    if node.op_type == "Constant" and node.domain == "":
        return [_constant(run, node)]
    if node.op_type == "DequantizeLinear" and first is not None and first.array.ndim == 2:
        return [dequantise(run, node)]
    if node.op_type == "Gather" and len(inputs) == 2:
        index, axis = inputs[1], attribute_int(node, "axis", 0)
        if first and index and is_table_of_positions(first, index, axis):
            return [table_rows(run, first, index)]
    if node.op_type == "Slice" and first is not None and first.constant:
        held = _sliced_table(run, node, first, inputs)
        if held is not None:
            return [held]
    quick = _without_runtime(run, node, inputs)
    if quick is not None:
        return [quick]
    _note_frequencies(run, node, inputs)
    constant = all(one is None or one.constant for one in inputs)
    probes = 1 if constant else run.count
    runs = [
        [None if one is None else one.arrays[probe] for one in inputs] for probe in range(probes)
    ]
    results = compute(node, runs, run.opsets, run.ir_version)
    return [
        Known(tuple(results[0 if constant else probe][place] for probe in range(run.count)))
        for place in range(len(node.outputs))
    ]


def _constant(run: Run, node: ir.Node) -> Known:
    tensor = ir.convenience.get_const_tensor(node.outputs[0])
    if tensor is None:
        raise RefusalError("holds a constant that is no tensor")
    return Known((tensor.numpy(),) * run.count)


def _without_runtime(run: Run, node: ir.Node, inputs: Sequence[Known | None]) -> Known | None:
    """Constants that only change their form: no copy, and their origin is kept."""
    held = inputs[0] if inputs else None
    if held is None or not held.constant:
        return None
    array = held.array
    if node.op_type == "Identity":
        return held
    if node.op_type == "Transpose" and array.ndim == 2:
        perm = node.attributes.get("perm")
        if perm is None or list(perm.as_ints()) == [1, 0]:
            axis = held.stored_axis
            turned = array.T
            return Known(
                (turned,) * run.count, held.half, held.stored, -1 if axis < 0 else 1 - axis
            )
    if node.op_type == "Cast" and node.attributes["to"].as_int() == int(ir.DataType.FLOAT):
        if not np.issubdtype(array.dtype, np.floating):
            return None
        half = held.half or array.dtype == np.float16
        wide = array.astype(np.float32)
        return Known((wide,) * run.count, half, held.stored, held.stored_axis)
    return None


def _sliced_table(
    run: Run, node: ir.Node, data: Known, inputs: Sequence[Known | None]
) -> TableRows | None:
    """The first rows of a table, as many as there are tokens: rows at known indices.

    TooLongError if the longest probe asks for more than the constant has, along any axis.
    """
    given = [one for one in inputs[1:] if one is not None]
    if len(given) != len(inputs) - 1 or all(one.constant for one in given) or len(given) < 2:
        return None
    starts, ends = (one.arrays[-1].reshape(-1) for one in given[:2])
    rank = data.array.ndim
    axes = given[2].array.reshape(-1) if len(given) > 2 else np.arange(starts.size)
    for start, end, axis in zip(starts, ends, axes, strict=True):
        size = data.array.shape[int(axis) % rank]
        if size < end < FAR and start >= 0:
            raise TooLongError(longest(run) - int(end - size))
    steps_are_one = len(given) < 4 or bool((given[3].array == 1).all())
    floats = np.issubdtype(data.array.dtype, np.floating)
    if rank != 2 or [int(axis) % rank for axis in axes] != [0] or not floats or not steps_are_one:
        return None
    index: list[Array] = []
    for probe in range(run.count):
        first, last = (int(one.arrays[probe].reshape(-1)[0]) for one in given[:2])
        index.append(np.arange(data.array.shape[0], dtype=np.int64)[first:last])
    return TableRows(data.array, data.half, tuple(index))


def _note_frequencies(run: Run, node: ir.Node, inputs: Sequence[Known | None]) -> None:
    """Remember the constant vectors that something known is multiplied by."""
    if node.op_type not in ("Mul", "MatMul", "Div", "Einsum") or len(inputs) != 2:
        return
    for one in inputs:
        if one is None or not one.constant or one.array.dtype != np.float32:
            continue
        vector = one.array.reshape(-1)
        if not 1 <= vector.size <= MOST_FREQUENCIES:
            continue
        if node.op_type == "Div":
            vector = (1 / vector).astype(np.float32)
        for half in (vector, vector[: vector.size // 2]):
            if half.size and not any(np.array_equal(half, known) for known in run.frequencies):
                run.frequencies.append(half)
