"""How a graph uses its float matrices: as right-hand sides, as embedding tables, as both.

Quantising passes decide by this, once, and then rewrite; see :func:`matrix_uses`.
"""

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from extbuild.compress.graph import attribute_float, attribute_int

Kind = Literal["product", "transposed product", "rows", "columns", "other"]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a matrix W.

    ``product``: x @ W, by MatMul or a plain Gemm. ``transposed product``: x @ W.T, by Gemm with
    transB. ``rows``: lookup along axis 0. ``columns``: lookup along axis 1, the form that
    tie_embeddings leaves. ``other``: anything else, so W must stay as it is.
    """

    kind: Kind
    node: ir.Node


def matrix_uses(value: ir.Value) -> list[Use]:
    """Every use of a float32 initialiser of two dimensions."""
    return [Use(_kind(node, index), node) for node, index in value.uses()]


def _kind(node: ir.Node, index: int) -> Kind:
    if node.domain != "":
        return "other"
    if node.op_type == "MatMul" and index == 1:
        return "product"
    if node.op_type == "Gemm" and index == 1:
        plain = (
            attribute_int(node, "transA", 0) == 0
            and attribute_float(node, "alpha", 1.0) == 1.0
            and attribute_float(node, "beta", 1.0) == 1.0
            and _bias_is_vector(node)
        )
        if not plain:
            return "other"
        return "transposed product" if attribute_int(node, "transB", 0) else "product"
    if node.op_type == "Gather" and index == 0:
        axis = attribute_int(node, "axis", 0)
        return "rows" if axis in (0, -2) else "columns"
    return "other"


def _bias_is_vector(node: ir.Node) -> bool:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return bias is None or (bias.shape is not None and len(bias.shape) == 1)
