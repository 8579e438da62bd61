"""Graphs of other exporters lower too, because meaning is compared and not nodes."""

import numpy as np
import onnx_ir as ir
import pytest

from extbuild.compile.program import DType, Kind, Op, Rows
from extbuild.source.builders.tape import initializer
from tests.unit.compile.lower.compare import largest_error, lowered
from tests.unit.compile.lower.exported import POSITIONS, Style, bert
from tests.unit.compile.lower.exported_decoder import DecoderStyle, decoder

ENCODERS = [
    Style(),
    Style(mask="where", norm="product", scale="both"),
    Style(mask="expanded", norm="node", scale="query", gelu="node"),
    Style(mask="boolean", gelu="tanh", scale="computed"),
    Style(gelu="fast", positions="range"),
    Style(positions="ids"),
    Style(pooling="slice"),
    Style(pooling="mean"),
    Style(pooling="none"),
    Style(fused=True),
]
DECODERS = [
    DecoderStyle(),
    DecoderStyle(repeat="expand"),
    DecoderStyle(mask="triangle"),
    DecoderStyle(angles="product"),
    DecoderStyle(angles="table"),
    DecoderStyle(norm="node"),
    DecoderStyle(norm="power"),
    DecoderStyle(fused=True, every_position=True),
]


@pytest.mark.parametrize("style", ENCODERS, ids=str)
def test_an_exported_encoder_lowers(style: Style) -> None:
    model = bert(style)
    assert largest_error(model, lowered(model)) < 1e-5


@pytest.mark.parametrize("style", DECODERS, ids=str)
def test_an_exported_decoder_lowers(style: DecoderStyle) -> None:
    model = decoder(style)
    assert largest_error(model, lowered(model, max_positions=64)) < 1e-5


def test_forms_make_no_difference() -> None:
    counts = {tuple(lowered(bert(style)).operations.items()) for style in ENCODERS[:7]}
    assert counts == {
        (("ATTENTION", 1), ("EMBED", 1), ("LINEAR", 6), ("NORM", 3), ("POOL", 1)),
    }


def test_positions_that_start_at_two_leave_two_fewer() -> None:
    program = lowered(bert(Style(positions="ids"))).program
    assert program.max_positions == POSITIONS - 2
    assert program.operations[0].p[0] == 2


def test_hidden_states_of_all_tokens_are_a_result() -> None:
    program = lowered(bert(Style(pooling="none"))).program
    assert (program.kind, program.slots[program.output].rows) == (Kind.ENCODER, Rows.TOKENS)


def test_queries_keys_and_values_that_alternate_become_one_matrix_again() -> None:
    operations = lowered(bert(Style(fused=True))).program.operations
    attention = next(one for one in operations if one.op is Op.ATTENTION)
    assert attention.a.slot == attention.b.slot == attention.c.slot


@pytest.mark.parametrize("axis", [0, 1], ids=["of inputs", "of outputs"])
def test_weights_behind_a_dequantize_stay_int8(axis: int) -> None:
    model = bert(Style())
    graph = model.graph
    held = graph.initializers["inner.w"]
    values = np.random.default_rng(0).integers(-127, 128, (32, 64)).astype(np.int8)
    scales = np.linspace(0.001, 0.002, values.shape[axis], dtype=np.float32)
    zeros = np.zeros(scales.size, np.int8)
    parts = [
        initializer("inner.int8", values),
        initializer("inner.scale", scales),
        initializer("inner.zero", zeros),
    ]
    for one in parts:
        graph.register_initializer(one)
    node = ir.node("DequantizeLinear", parts, {"axis": axis}, name="dequantize")
    node.outputs[0].name = "dequantize"
    held.replace_all_uses_with(node.outputs[0])
    del graph.initializers["inner.w"]
    graph.insert_before(graph[0], node)
    found = lowered(model)
    # Scales of inputs are no scales of rows of the engine's matrix: that one stays float.
    forms = {weight.dtype for weight in found.program.weights}
    assert (DType.I8 in forms) == (axis == 1)
    assert largest_error(model, found) < (1e-5 if axis == 0 else 1e-2)


def test_weights_behind_a_cast_stay_float16() -> None:
    model = bert(Style())
    graph = model.graph
    held = graph.initializers["inner.w"]
    assert held.const_value is not None
    half = initializer("inner.half", held.const_value.numpy().astype(np.float16))
    graph.register_initializer(half)
    node = ir.node("Cast", [half], {"to": int(ir.DataType.FLOAT)}, name="widen")
    node.outputs[0].name = "widen"
    held.replace_all_uses_with(node.outputs[0])
    del graph.initializers["inner.w"]
    graph.insert_before(graph[0], node)
    found = lowered(model)
    assert [weight.dtype for weight in found.program.weights].count(DType.F16) == 1
    assert largest_error(model, found) < 1e-5
