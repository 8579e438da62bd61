"""Attributes of nodes, with the defaults that the operators' specifications give."""

import onnx_ir as ir


def attribute_int(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute, or its default."""
    held = node.attributes.get(name)
    return default if held is None else held.as_int()


def attribute_float(node: ir.Node, name: str, default: float) -> float:
    """A float attribute, or its default."""
    held = node.attributes.get(name)
    return default if held is None else held.as_float()
