"""Products of activations with constant matrices, in every stored form."""

import numpy as np
import onnx_ir as ir

from extbuild.compile.layouts import BLOCKS
from extbuild.compile.lower import attention
from extbuild.compile.lower.attributes import attribute_float, attribute_int
from extbuild.compile.lower.matrices import Blocked, Dense, Int8, Matrix
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.rowfunctions import is_peak_of, is_unit_int8
from extbuild.compile.lower.settle import settled, settled_view
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.steps import Vector
from extbuild.compile.lower.values import (
    Array,
    Int8Product,
    Known,
    Meaning,
    RowFunction,
    Scores,
    View,
)
from extbuild.compile.program import Activation, Op


def linear(run: Run, view: View, matrix: Matrix, bias: Vector | None) -> View:
    """LINEAR of rows with columns side by side."""
    view = run.in_order(view)
    outputs, inputs = matrix.shape
    if view.width != inputs:
        raise RefusalError(f"multiplies rows of {view.width} by a matrix of {inputs}")
    made = run.emit(
        Op.LINEAR,
        run.rows_of(view.axes),
        outputs,
        a=run.region(view),
        matrix=matrix,
        bias=bias,
        p=(int(Activation.NONE),),
    )
    return View(made, (*view.axes[:-1], run.columns(outputs)))


def matmul(run: Run, node: ir.Node) -> Meaning:
    """A LINEAR, or one of the two products of attention."""
    left, right = settled(run, node.inputs[0]), settled(run, node.inputs[1])
    if isinstance(left, View) and isinstance(right, Known):
        return linear(run, left, matrix_of(right, transposed=False), None)
    if isinstance(left, View) and isinstance(right, View):
        return attention.scores(left, right)
    if isinstance(left, Scores) and isinstance(right, View):
        return attention.mixed(run, left, right)
    raise RefusalError("multiplies matrices in a way that is neither linear nor attention")


def gemm(run: Run, node: ir.Node) -> Meaning:
    """A LINEAR with its bias."""
    if attribute_int(node, "transA", 0) or {
        attribute_float(node, "alpha", 1.0),
        attribute_float(node, "beta", 1.0),
    } != {1.0}:
        raise RefusalError("multiplies with alpha, beta or transA")
    view = settled_view(run, node.inputs[0])
    weight = run.known(node.inputs[1])
    matrix = matrix_of(weight, transposed=attribute_int(node, "transB", 0) == 1)
    bias = _bias(run, node, 2, matrix.shape[0])
    return linear(run, view, matrix, bias)


def int8_product(run: Run, node: ir.Node) -> Meaning:
    """MatMulIntegerToFloat of rows that dynamic_int8 quantised."""
    left = run.meaning(node.inputs[0])
    weight, scales = run.constant(node.inputs[1]), run.constant(node.inputs[3])
    unit = run.constant(node.inputs[2])
    given = [value for value in node.inputs[5:] if value is not None]
    if any(run.constant(value).any() for value in given):
        raise RefusalError("has zero points of weights, or a bias, in an integer product")
    if not isinstance(left, RowFunction) or not is_unit_int8(left.samples):
        raise RefusalError("multiplies integers that are not rows over their own peak")
    if run.constant(node.inputs[4]).reshape(-1).tolist() != [128]:
        raise RefusalError("has activations whose zero is not 128")
    if unit.size != 1 or abs(float(unit.reshape(-1)[0]) * 127 - 1) > 1e-6:
        raise RefusalError("scales integers otherwise than by 1/127")
    if weight.dtype != np.int8 or weight.ndim != 2 or scales.size not in (1, weight.shape[1]):
        raise RefusalError("has weights that are not int8 with one scale per column")
    wide = np.broadcast_to(scales.reshape(-1).astype(np.float32), (weight.shape[1],))
    return Int8Product(left.view, Int8(weight.T, wide))


def dequantised(run: Run, product: Int8Product, peak: Meaning) -> View:
    """An integer product times the peak of each row."""
    if (
        not isinstance(peak, RowFunction)
        or peak.view.base != product.view.base
        or not is_peak_of(peak.samples, product.view.width)
    ):
        raise RefusalError("scales an integer product by something else than the peak of its rows")
    return linear(run, product.view, product.weight, None)


def block_product(run: Run, node: ir.Node) -> Meaning:
    """MatMulNBits."""
    view = settled_view(run, node.inputs[0])
    rows, cols = (node.attributes[key].as_int() for key in ("N", "K"))
    zeros = run.constant(node.inputs[3]) if _has(node, 3) else None
    if _has(node, 4):
        raise RefusalError("reorders the columns of a blocked matrix")
    matrix = blocked_matrix(
        run.constant(node.inputs[1]),
        run.constant(node.inputs[2]),
        zeros,
        rows=rows,
        cols=cols,
        bits=attribute_int(node, "bits", 4),
        block=node.attributes["block_size"].as_int(),
    )
    return linear(run, view, matrix, _bias(run, node, 5, rows))


def blocked_matrix(
    packed: Array,
    scales: Array,
    zeros: Array | None,
    *,
    rows: int,
    cols: int,
    bits: int,
    block: int,
) -> Blocked:
    """The parts of MatMulNBits or GatherBlockQuantized as plain arrays."""
    if bits not in (4, 8) or block not in BLOCKS or packed.dtype != np.uint8:
        raise RefusalError(f"has {bits}-bit weights in blocks of {block}, which have no layout")
    blocks = -(-cols // block)
    values = _unpacked(packed.reshape(rows, -1), bits)
    if values.shape[1] < cols or scales.size != rows * blocks:
        raise RefusalError("has packed weights of another shape than it says")
    if zeros is not None:
        if zeros.dtype != np.uint8:
            raise RefusalError("has zero points that are not packed bytes")
        zeros = _unpacked(zeros.reshape(rows, -1), bits)[:, :blocks]
    held = scales.reshape(rows, blocks).astype(np.float32)
    return Blocked(values[:, :cols], held, zeros, block, bits)


def dequantise(run: Run, node: ir.Node) -> Meaning:
    """DequantizeLinear of a constant int8 matrix, which stays int8."""
    values, scales = run.constant(node.inputs[0]), run.constant(node.inputs[1])
    zeros = run.constant(node.inputs[2]) if _has(node, 2) else None
    axis = attribute_int(node, "axis", 1)
    if values.dtype != np.int8 or values.ndim != 2 or attribute_int(node, "block_size", 0):
        raise RefusalError("dequantises something else than an int8 matrix with scales of an axis")
    if zeros is not None and zeros.any():
        raise RefusalError("dequantises an int8 matrix with zero points")
    axis %= 2
    if scales.size not in (1, values.shape[axis]):
        raise RefusalError("dequantises with scales of another length than the axis")
    by = np.broadcast_to(scales.reshape(-1).astype(np.float32), (values.shape[axis],))
    turned = values.T if axis == 1 else values
    stored = Int8(turned, by)
    whole = (turned.astype(np.float32) * by[:, None]).astype(np.float32)
    array = whole.T if axis == 1 else whole
    return Known((array,) * run.count, stored=stored, stored_axis=axis)


def matrix_of(known: Known, *, transposed: bool) -> Matrix:
    """A constant ``(inputs, outputs)``, or ``(outputs, inputs)`` if ``transposed``, as a matrix."""
    array = known.array
    if not known.constant or array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise RefusalError("multiplies by something else than a constant matrix of floats")
    stored = oriented(known, 0 if transposed else 1)
    if stored is not None:
        return stored
    return Dense((array if transposed else array.T).astype(np.float32), known.half)


def oriented(known: Known, axis: int) -> Int8 | None:
    """The int8 form of a constant, if its scales belong to this axis."""
    return known.stored if known.stored_axis == axis else None


def _bias(run: Run, node: ir.Node, place: int, width: int) -> Vector | None:
    if not _has(node, place):
        return None
    held = run.known(node.inputs[place])
    vector = held.vector(width)
    number = held.number()
    if vector is None and number is not None:
        vector = np.full(width, number, np.float32)
    if vector is None:
        raise RefusalError("adds a bias that is no constant vector")
    return vector


def _has(node: ir.Node, place: int) -> bool:
    return len(node.inputs) > place and node.inputs[place] is not None


def _unpacked(packed: Array, bits: int) -> np.ndarray:
    """``(rows, bytes)`` to one value each; of two 4-bit values the low one comes first."""
    held = packed.astype(np.uint8)
    if bits == 8:
        return held
    both = np.stack([held & 15, held >> 4], axis=-1)
    return both.reshape(held.shape[0], -1)
