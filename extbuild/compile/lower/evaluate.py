"""Computing single nodes on concrete arrays, for what depends on sizes and positions only."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.compile.lower.refusal import RefusalError
from extbuild.ort import RUNTIME_ERRORS, Session

Array = NDArray[np.generic]


def compute(
    node: ir.Node, runs: Sequence[Sequence[Array | None]], opsets: dict[str, int], ir_version: int
) -> list[list[Array]]:
    """The outputs of a node for every list of inputs, computed by onnxruntime.

    RefusalError if onnxruntime cannot run the node on these inputs.
    """
    if any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
        for attribute in node.attributes.values()
    ):
        raise RefusalError("holds a graph of its own")
    parameters = [
        None
        if array is None
        else ir.Value(
            name=f"in{index}",
            shape=ir.Shape([None] * array.ndim),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        )
        for index, array in enumerate(runs[0])
    ]
    outputs = [ir.Value(name=f"out{index}") for index in range(len(node.outputs))]
    copy = ir.Node(
        node.domain, node.op_type, parameters, list(node.attributes.values()), outputs=outputs
    )
    given = [value for value in parameters if value is not None]
    graph = ir.Graph(given, outputs, nodes=[copy], opset_imports=opsets, name="node")
    proto = ir.to_proto(ir.Model(graph, ir_version=ir_version))
    try:
        session = Session(onnx.shape_inference.infer_shapes(proto).SerializeToString())
        return [
            session.run(
                {f"in{index}": array for index, array in enumerate(run) if array is not None}
            )
            for run in runs
        ]
    except RUNTIME_ERRORS as error:
        told = str(error).strip().split("\n")[0]
        raise RefusalError(f"cannot be computed from sizes and positions: {told}") from error
