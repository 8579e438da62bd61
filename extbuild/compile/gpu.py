"""Graphs that the flavour of ONNX Runtime Web for GPUs can run, on CPUs and in float16 as well.

Rules:

1. Lookups in block-quantised tables (com.microsoft GatherBlockQuantized) become standard operators:
   that flavour has no such kernel for CPUs, and its kernel for GPUs refuses zero points where a row
   has an odd number of blocks.
2. In the float16 form every com.microsoft MatMulNBits gets float16 activations and scales, by Casts
   around it; the rest of the graph stays float32.
3. Both forms have the same initialisers, so that they share one blob. Scales of products are stored
   as float16; the float32 form widens each by a Cast, which runtimes fold away when they load it,
   so that no shader of it needs float16.
   That changes no number: scales of blocks are numbers that float16 holds exactly (see
   compress/kernels.py). Where they are not, there is no float16 form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.errors import ContractError

_PRODUCT, _LOOKUP = "MatMulNBits", "GatherBlockQuantized"
_SINGLE, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


@dataclass(frozen=True, slots=True)
class GpuForms:
    """One model with the same initialisers twice: to compute in float32, and in float16."""

    single: ir.Model
    half: ir.Model | None


def gpu_forms(model: ir.Model) -> GpuForms:
    """Both forms of a graph; ``half`` is None where nothing can be computed in float16.

    ``model`` stays as it is.
    """
    single = without_lookups(model)
    if not all(_is_exact(node.inputs[2]) for node in _nodes(single, _PRODUCT)):
        return GpuForms(single, None)
    if not _nodes(single, _PRODUCT):
        return GpuForms(single, None)
    for node in _nodes(single, _PRODUCT):
        _store_half(_required(node.inputs[2]))
    half = single.clone()
    for scales in {_required(node.inputs[2]): None for node in _nodes(single, _PRODUCT)}:
        uses = list(scales.uses())
        wide = _Before(single.graph[0]).cast(scales, _SINGLE, f"single.{scales.name}")
        for node, index in uses:
            node.replace_input_with(index, wide)
    for node in _nodes(half, _PRODUCT):
        activations = _required(node.inputs[0])
        node.replace_input_with(0, _Before(node).cast(activations, _HALF, "half"))
        _widen_output(node)
    return GpuForms(single, half)


def without_lookups(model: ir.Model) -> ir.Model:
    """A copy after rule 1."""
    copy = model.clone()
    for node in _nodes(copy, _LOOKUP):
        _spell_out(node)
    return copy


def _nodes(model: ir.Model, op_type: str) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type == op_type]


def _required(value: ir.Value | None) -> ir.Value:
    if value is None:
        raise ContractError("a block-quantised node lacks an input that it must have")
    return value


def _is_exact(value: ir.Value | None) -> bool:
    """Whether it is an initialiser that is float16, or that keeps its values as float16."""
    if value is None or value.const_value is None:
        return False
    held = value.const_value.numpy()
    with np.errstate(over="ignore"):
        return bool(np.array_equal(held, held.astype(np.float16).astype(held.dtype)))


def _store_half(scales: ir.Value) -> None:
    tensor = scales.const_value
    if tensor is not None and tensor.dtype == _SINGLE:
        scales.const_value = ir.tensor(tensor.numpy().astype(np.float16), name=scales.name)
        scales.type = ir.TensorType(_HALF)


def _widen_output(node: ir.Node) -> None:
    """A Cast to float32 between a node's output and all that take it, which keeps its name."""
    graph, wide = node.graph, node.outputs[0]
    if graph is None:
        raise ContractError(f"{node.name} belongs to no graph")
    product = ir.node(
        node.op_type,
        list(node.inputs),
        dict(node.attributes),
        domain=node.domain,
        name=f"{node.name}.product",
    )
    product.outputs[0].name = f"{wide.name}.product"
    product.outputs[0].type = ir.TensorType(_HALF)
    cast = ir.node("Cast", [product.outputs[0]], {"to": int(_SINGLE)}, name=f"{node.name}.single")
    cast.outputs[0].name = f"{wide.name}.single"
    cast.outputs[0].type, cast.outputs[0].shape = wide.type, wide.shape
    graph.insert_before(node, [product, cast])
    _replace(node, cast.outputs[0])


def _replace(node: ir.Node, new: ir.Value) -> None:
    """Let ``new`` take the place of the only output of ``node``, and drop ``node``."""
    old, graph = node.outputs[0], node.graph
    if graph is None:
        raise ContractError(f"{node.name} belongs to no graph")
    name, is_output = old.name, old.is_graph_output()
    old.name = f"{name}.replaced"
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    if is_output:
        new.name = name
    graph.remove(node, safe=True)


class _Before:
    """Puts nodes, and the small constants that they need, in front of a node."""

    def __init__(self, node: ir.Node) -> None:
        if node.graph is None:
            raise ContractError(f"{node.name} belongs to no graph")
        self._node, self._graph = node, node.graph

    def put(
        self, op_type: str, inputs: Sequence[ir.Value], what: str, **attributes: int | str
    ) -> ir.Value:
        """The output of a new node."""
        name = f"{self._node.name}.{what}"
        node = ir.node(op_type, list(inputs), attributes, name=name)
        node.outputs[0].name = name
        self._graph.insert_before(self._node, node)
        return node.outputs[0]

    def cast(self, value: ir.Value, to: ir.DataType, what: str) -> ir.Value:
        """``value`` in another type."""
        made = self.put("Cast", [value], what, to=int(to))
        made.type, made.shape = ir.TensorType(to), value.shape
        return made

    def shaped(self, value: ir.Value, shape: Sequence[int], what: str) -> ir.Value:
        """``value`` with these dimensions behind its first two."""
        target = self.constant(np.asarray([0, 0, *shape], np.int64), f"{what}.shape")
        return self.put("Reshape", [value, target], what)

    def constant(self, array: NDArray[np.generic], what: str) -> ir.Value:
        """A new initialiser."""
        tensor = ir.tensor(array, name=f"{self._node.name}.{what}")
        value = ir.Value(
            name=tensor.name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        self._graph.register_initializer(value)
        return value


def _is_bytes(table: ir.Value) -> bool:
    """Whether it holds uint8; one that a product shares is another view of an initialiser."""
    view = table.producer()
    if view is not None and view.op_type == "Reshape":
        return _is_bytes(_required(view.inputs[0]))
    return table.dtype == ir.DataType.UINT8


def _spell_out(node: ir.Node) -> None:
    """Rows of a block-quantised table: (stored value - zero point) * scale of its block.

    For tables as compress/passes/blocks.py stores them: rows of bytes, two values in each with
    4 bits, the first in its low half; zero points likewise. Others stay as they are.
    """
    attributes = {name: value.as_int() for name, value in node.attributes.items()}
    bits, block = attributes.get("bits", 4), attributes.get("block_size", 128)
    table, ids, scales = (_required(value) for value in node.inputs[:3])
    axes = (attributes.get("gather_axis", 0), attributes.get("quantize_axis", 1))
    if not _is_bytes(table) or axes != (0, 1) or scales.shape is None:
        return
    blocks = int(scales.shape.numpy()[1])
    before = _Before(node)

    def rows(of: ir.Value, what: str) -> ir.Value:
        return before.put("Gather", [of, ids], what, axis=0)

    def stored(of: ir.Value, what: str) -> ir.Value:
        """Stored values of rows as float32; with 4 bits they are pairs, of bytes."""
        read = rows(of, f"{what}.rows")
        if bits == 4:
            mask = before.constant(np.asarray(15, np.uint8), f"{what}.mask")
            four = before.constant(np.asarray(4, np.uint8), f"{what}.four")
            low = before.put("BitwiseAnd", [read, mask], f"{what}.low")
            high = before.put("BitShift", [read, four], f"{what}.high", direction="RIGHT")
            axis = before.constant(np.asarray([-1], np.int64), f"{what}.axis")
            halves = [
                before.put("Unsqueeze", [half, axis], f"{half.name}.last") for half in (low, high)
            ]
            read = before.put("Concat", halves, f"{what}.pairs", axis=-1)
        return before.cast(read, _SINGLE, f"{what}.values")

    values = before.shaped(stored(table, "table"), (blocks, block), "table.blocks")
    zero = before.constant(np.asarray(1 << (bits - 1), np.float32), "zero")
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        zero = stored(node.inputs[3], "zeros")
        if bits == 4 and blocks % 2:
            zero = before.shaped(zero, (blocks + 1,), "zeros.even")
            ends = (("start", 0), ("end", blocks), ("dimension", 2))
            cut = [before.constant(np.asarray([at]), f"zeros.{name}") for name, at in ends]
            zero = before.put("Slice", [zero, *cut], "zeros.odd")
        zero = before.shaped(zero, (blocks, 1), "zeros.blocks")
    scale = before.cast(rows(scales, "scales.rows"), _SINGLE, "scales.single")
    scale = before.shaped(scale, (blocks, 1), "scales.blocks")
    centred = before.put("Sub", [values, zero], "centred")
    result = before.shaped(
        before.put("Mul", [centred, scale], "scaled"), (blocks * block,), "whole"
    )
    result.type, result.shape = node.outputs[0].type, node.outputs[0].shape
    _replace(node, result)
