import onnx
from onnx import TensorProto, helper

from extbuild.budget import largest_weights


def _external(name: str, size: int) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.INT8, dims=[size])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_weights_outside_the_graph_are_listed_from_the_largest() -> None:
    inside = helper.make_tensor("inside", TensorProto.FLOAT, [1], [1.0])
    tensors = [_external("small", 10), inside, _external("large", 1000), _external("also", 10)]
    graph = helper.make_graph([], "graph", [], [], tensors)
    model: onnx.ModelProto = helper.make_model(graph)
    assert largest_weights(model.SerializeToString()) == [
        ("large", 1000),
        ("also", 10),
        ("small", 10),
    ]
