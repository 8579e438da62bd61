"""Questions that passes ask of a graph, and the few edits they share."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Array = NDArray[np.generic]


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all initialisers."""
    tensors = (value.const_value for value in model.graph.initializers.values())
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)


def constant(value: ir.Value | None) -> Array | None:
    """The array of an initialiser; ``None`` for anything computed or given at run time."""
    if value is None or value.const_value is None or not value.is_initializer():
        return None
    return value.const_value.numpy()


def float_matrices(model: ir.Model, skip: Iterable[str] = ()) -> list[ir.Value]:
    """The float32 initialisers of two dimensions, in graph order, but for skipped names.

    ``skip`` holds names or :mod:`fnmatch` patterns.
    """
    patterns = tuple(skip)
    return [
        value
        for value in model.graph.initializers.values()
        if value.dtype == ir.DataType.FLOAT
        and value.shape is not None
        and len(value.shape) == 2
        and not value.is_graph_output()
        and not any(fnmatchcase(value.name or "", pattern) for pattern in patterns)
    ]


def unmatched(model: ir.Model, skip: Iterable[str]) -> list[str]:
    """Patterns that fit no initialiser: a misspelt ``skip`` must not pass in silence."""
    names = list(model.graph.initializers)
    return [pattern for pattern in skip if not any(fnmatchcase(name, pattern) for name in names)]


def attribute_int(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute, or its default."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()


def attribute_float(node: ir.Node, name: str, default: float) -> float:
    """A float attribute, or its default."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_float()


def add_initializer(model: ir.Model, name: str, array: Array) -> ir.Value:
    """Register a new initialiser, or give back the one of that name if it holds the same."""
    known = model.graph.initializers.get(name)
    if known is not None:
        held = constant(known)
        if held is None or held.dtype != array.dtype or not np.array_equal(held, array):
            raise ValueError(f"initialiser {name} exists with another value")
        return known
    tensor = ir.Tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(tensor.dtype),
        const_value=tensor,
    )
    model.graph.register_initializer(value)
    return value


def insert(
    before: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    name: str,
    attributes: dict[str, int | float | Sequence[int]] | None = None,
    domain: str = "",
) -> ir.Value:
    """Put a new node in front of ``before``; returns its only output, named like the node."""
    node = ir.node(op_type, list(inputs), attributes or {}, domain=domain, name=name)
    node.outputs[0].name = name
    if before.graph is None:
        raise ValueError(f"{before.name} belongs to no graph")
    before.graph.insert_before(before, node)
    return node.outputs[0]


def replace(old: ir.Node, new: ir.Value) -> None:
    """Let ``new`` take the place of the only output of ``old``, and drop ``old``.

    A graph output keeps its name, type and shape.
    """
    was = old.outputs[0]
    graph = old.graph
    if graph is None:
        raise ValueError(f"{old.name} belongs to no graph")
    new.shape, new.type = was.shape, was.type
    if was.is_graph_output():
        name = was.name
        was.name = f"{name}.replaced"
        was.replace_all_uses_with(new, replace_graph_outputs=True)
        new.name = name
    else:
        was.replace_all_uses_with(new)
    graph.remove(old, safe=True)


def drop_unused(model: ir.Model) -> int:
    """Remove nodes and initialisers that no output depends on; returns how many nodes went."""
    graph = model.graph
    removed = 0
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            graph.remove(node, safe=True)
            removed += 1
    for name in list(graph.initializers):
        value = graph.initializers[name]
        if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
            del graph.initializers[name]
    return removed
