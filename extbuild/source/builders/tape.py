"""Writing an ONNX graph node by node: names, initialisers and the model around them.

Every builder makes opset 21 with IR version 10, the newest pair that ONNX Runtime Web 1.30 and
the oldest onnxruntime we accept both read.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

OPSET = 21
IR_VERSION = 10

MASKED = -1e4
"""Added to the score of a hidden position: exp underflows to 0 in float32 and float16 alike."""

Weights = Callable[[str, tuple[int, ...]], NDArray[np.float32]]
"""Gives the float32 tensor of a name, checked against a shape; SourceError if either is wrong."""

Attribute = int | float | str | Sequence[int]
Dim = int | str


class GraphTape:
    """Collects nodes in order; values are named after the node that makes them.

    Weights are registered under their source name. Small constants (shapes, axes, scalars) are
    shared by value, so a graph holds each of them once.
    """

    def __init__(self) -> None:
        self._nodes: list[ir.Node] = []
        self._initializers: dict[str, ir.Value] = {}
        self._scope = ""
        self._taken: dict[str, int] = {}

    def scope(self, name: str) -> None:
        """Prefix of the names of all nodes that follow, such as ``layers.0.attention``."""
        self._scope = name

    def op(
        self,
        op_type: str,
        *inputs: ir.Value | None,
        attributes: Mapping[str, Attribute] | None = None,
        domain: str = "",
    ) -> ir.Value:
        """Append a node with one output and return that output."""
        name = self._fresh(f"{self._scope}/{op_type}" if self._scope else op_type)
        node = ir.node(op_type, list(inputs), dict(attributes or {}), domain=domain, name=name)
        node.outputs[0].name = name
        self._nodes.append(node)
        return node.outputs[0]

    def weight(self, name: str, value: NDArray[np.float32]) -> ir.Value:
        """A named initialiser; asking twice for one name gives the same value."""
        if name not in self._initializers:
            self._initializers[name] = initializer(name, value)
        return self._initializers[name]

    def ints(self, *values: int) -> ir.Value:
        """A shared int64 vector ``(len(values),)``, for shapes and axes."""
        name = "int64." + "_".join(str(value) for value in values)
        if name not in self._initializers:
            self._initializers[name] = initializer(name, np.asarray(values, np.int64))
        return self._initializers[name]

    def int_scalar(self, value: int) -> ir.Value:
        """A shared int64 scalar."""
        name = f"int64.scalar.{value}"
        if name not in self._initializers:
            self._initializers[name] = initializer(name, np.asarray(value, np.int64))
        return self._initializers[name]

    def scalar(self, value: float) -> ir.Value:
        """A shared float32 scalar."""
        name = f"float32.{value!r}"
        if name not in self._initializers:
            self._initializers[name] = initializer(name, np.asarray(value, np.float32))
        return self._initializers[name]

    def finish(self, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> ir.Model:
        """The model; its graph lists nodes in the order in which they were written."""
        graph = ir.Graph(
            list(inputs),
            list(outputs),
            nodes=self._nodes,
            initializers=list(self._initializers.values()),
            opset_imports={"": OPSET, "com.microsoft": 1},
            name="model",
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="extbuild")

    def _fresh(self, name: str) -> str:
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        return name if count == 0 else f"{name}.{count}"


def initializer(name: str, value: NDArray[np.generic]) -> ir.Value:
    """An initialiser that holds ``value``; dtype and shape are those of the array."""
    tensor = ir.Tensor(np.ascontiguousarray(value).reshape(value.shape), name=name)
    return ir.Value(
        name=name,
        shape=ir.Shape(value.shape),
        type=ir.TensorType(tensor.dtype),
        const_value=tensor,
    )


def graph_input(name: str, dtype: ir.DataType, shape: Sequence[Dim]) -> ir.Value:
    """A graph input; a string in ``shape`` is a dimension known only at run time."""
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))


def name_output(value: ir.Value, name: str, dtype: ir.DataType, shape: Sequence[Dim]) -> ir.Value:
    """Give a value the name, type and shape of a graph output."""
    value.name, value.type, value.shape = name, ir.TensorType(dtype), ir.Shape(shape)
    return value
