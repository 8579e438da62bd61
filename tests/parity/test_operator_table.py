"""The table of operators is what onnxruntime-web says of itself.

Each operator of the table is loaded alone. When onnxruntime-web is raised and this fails, the table
in extbuild/compile/ort_web_operators.py is out of date.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, defs, helper

from extbuild.compile.ort_web_operators import BY_DOMAIN
from tests.node import node_json

SCRIPT = Path(__file__).parent / "probe_operators.ts"
MISSING = ("Could not find an implementation", "is not a registered function/op")
OPSET = 21
TYPES = {
    "tensor(float)": TensorProto.FLOAT,
    "tensor(int64)": TensorProto.INT64,
    "tensor(int32)": TensorProto.INT32,
    "tensor(uint8)": TensorProto.UINT8,
    "tensor(int8)": TensorProto.INT8,
    "tensor(bool)": TensorProto.BOOL,
    "tensor(string)": TensorProto.STRING,
}
VALUES = {"INT": 1, "FLOAT": 1.0, "STRING": "a", "INTS": [1], "FLOATS": [1.0], "STRINGS": ["a"]}


def one_node_models(name: str, domain: str) -> Iterator[str]:
    """The operator with its required inputs, one model for each type that they may have."""
    schema = defs.get_schema(name, OPSET, domain)
    allowed = {one.type_param_str: list(one.allowed_type_strs) for one in schema.type_constraints}
    attributes = {
        key: VALUES[attribute.type.name]
        for key, attribute in schema.attributes.items()
        if attribute.required and attribute.type.name in VALUES
    }
    for first in TYPES:
        inputs = []
        for index in range(schema.min_input):
            options = allowed.get(schema.inputs[index].type_str, [schema.inputs[index].type_str])
            kinds = [kind for kind in (first, *TYPES) if kind in options]
            if not kinds:
                return
            inputs.append(helper.make_tensor_value_info(f"i{index}", TYPES[kinds[0]], None))
        outputs = [onnx.ValueInfoProto(name=f"o{at}") for at in range(max(1, schema.min_output))]
        node = helper.make_node(
            name,
            [value.name for value in inputs],
            [value.name for value in outputs],
            domain=domain,
            **attributes,
        )
        graph = helper.make_graph([node], "probe", inputs, outputs)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
        )
        yield base64.b64encode(model.SerializeToString()).decode()


@pytest.fixture(scope="module")
def endings() -> dict[str, list[str]]:
    """How loading ended for each standard operator of the opset, per type of its inputs."""
    names = sorted({one.name for one in defs.get_all_schemas() if one.domain == ""})
    models = {
        name: list(one_node_models(name, ""))
        for name in names
        if defs.has(name, "") and is_current(name)
    }
    found: dict[str, list[str]] = json.loads(node_json(SCRIPT, json.dumps(models)))
    return found


def is_current(name: str) -> bool:
    """Whether the opset has the operator, and has not given it up."""
    versions = [
        one.since_version
        for one in defs.get_all_schemas_with_history()
        if one.name == name and one.domain == ""
    ]
    return min(versions) <= OPSET and not defs.get_schema(name, OPSET, "").deprecated


def is_missing(ended: list[str]) -> bool:
    return bool(ended) and all(any(words in text for words in MISSING) for text in ended)


def test_every_operator_of_the_table_is_there(endings: dict[str, list[str]]) -> None:
    listed = BY_DOMAIN[""]
    assert [name for name in sorted(listed & set(endings)) if is_missing(endings[name])] == []
    assert len(listed & set(endings)) > 150


def test_no_operator_that_loads_is_left_out(endings: dict[str, list[str]]) -> None:
    assert [
        name for name, ended in endings.items() if "" in ended and name not in BY_DOMAIN[""]
    ] == []
