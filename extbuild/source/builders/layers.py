"""Layers that several families share, as nodes: linear maps, norms, activations.

Linear weights are stored ``(inputs, outputs)``, the transpose of the Hugging Face file.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.source.builders.tape import GraphTape, Weights

ACTIVATIONS: Mapping[str, str] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""Names of activations in config.json, and ours. The three of gelu_tanh are one formula."""


def activate(tape: GraphTape, activation: str, value: ir.Value) -> ir.Value:
    """Apply one of the values of :data:`ACTIVATIONS` to each element."""
    if activation == "gelu":
        return tape.op("Gelu", value)
    if activation == "gelu_tanh":
        return tape.op("Gelu", value, attributes={"approximate": "tanh"})
    if activation == "relu":
        return tape.op("Relu", value)
    # SiLU written out: ONNX has no such operator before opset 24.
    return tape.op("Mul", value, tape.op("Sigmoid", value))


def linear(
    tape: GraphTape,
    weights: Weights,
    name: str,
    value: ir.Value,
    inputs: int,
    outputs: int,
    *,
    bias: bool = True,
) -> ir.Value:
    """``value @ W + b`` with ``name.weight`` and, unless told otherwise, ``name.bias``."""
    matrix = weights(f"{name}.weight", (outputs, inputs)).T
    return affine(tape, name, value, matrix, weights(f"{name}.bias", (outputs,)) if bias else None)


def affine(
    tape: GraphTape,
    name: str,
    value: ir.Value,
    matrix: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
) -> ir.Value:
    """``value @ matrix + bias`` with ``matrix`` ``(inputs, outputs)``."""
    product = tape.op("MatMul", value, tape.weight(f"{name}.weight", matrix))
    if bias is None:
        return product
    return tape.op("Add", product, tape.weight(f"{name}.bias", bias))


def layer_norm(
    tape: GraphTape, weights: Weights, name: str, value: ir.Value, size: int, eps: float
) -> ir.Value:
    """``(x - mean) / sqrt(var + eps) * w + b`` over the last axis (Ba et al. 2016)."""
    scale = tape.weight(f"{name}.weight", weights(f"{name}.weight", (size,)))
    bias = tape.weight(f"{name}.bias", weights(f"{name}.bias", (size,)))
    return tape.op(
        "LayerNormalization", value, scale, bias, attributes={"axis": -1, "epsilon": eps}
    )


def rms_norm(
    tape: GraphTape, weights: Weights, name: str, value: ir.Value, size: int, eps: float
) -> ir.Value:
    """``x / sqrt(mean(x^2) + eps) * w`` (Zhang & Sennrich 2019), in the form onnxruntime fuses."""
    square = tape.op("Pow", value, tape.scalar(2.0))
    mean = tape.op("ReduceMean", square, tape.ints(-1), attributes={"keepdims": 1})
    root = tape.op("Sqrt", tape.op("Add", mean, tape.scalar(eps)))
    normed = tape.op("Div", value, root)
    weight = f"{name}.weight"
    return tape.op("Mul", normed, tape.weight(weight, weights(weight, (size,))))
