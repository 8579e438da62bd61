"""A graph that the engine cannot compute is refused by its node, and never lowered wrongly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from extbuild.compile.lower import NotLowered, lower
from extbuild.source.builders.tape import initializer
from tests.unit.compile.lower.compare import largest_error
from tests.unit.compile.lower.exported import Style, bert
from tests.unit.compile.lower.exported_decoder import DecoderStyle, decoder
from tests.unit.compile.lower.test_models import tiny

Edit = Callable[[ir.Model], None]


def node(model: ir.Model, op_type: str, index: int = 0) -> ir.Node:
    return [one for one in model.graph if one.op_type == op_type][index]


def give(one: ir.Node, place: int, value: object) -> None:
    """Another constant for one input of one node."""
    array = np.asarray(value)
    held = initializer(f"{one.name}.{place}.changed", array)
    assert one.graph is not None
    one.graph.register_initializer(held)
    one.replace_input_with(place, held)


def rename(op_type: str, new: str, index: int = 0) -> Edit:
    def edit(model: ir.Model) -> None:
        node(model, op_type, index).op_type = new

    return edit


def constant(op_type: str, index: int, place: int, value: object) -> Edit:
    return lambda model: give(node(model, op_type, index), place, value)


def unmask(model: ir.Model) -> None:
    softmax = node(model, "Softmax")
    masked = softmax.inputs[0].producer()
    softmax.replace_input_with(0, masked.inputs[0])


def weaken(model: ir.Model) -> None:
    """Hidden tokens get a score that is only somewhat lower."""
    lowest = next(name for name in model.graph.initializers if name.startswith("float32.-3.4"))
    held = model.graph.initializers[lowest].const_value
    assert held is not None
    held.numpy()[...] = -5


def turn(op_type: str, axis: int) -> Edit:
    def edit(model: ir.Model) -> None:
        node(model, op_type).attributes["axis"] = ir.AttrInt64("axis", axis)

    return edit


ENCODERS: list[tuple[str, Edit, str]] = [
    ("an unknown operator", rename("Softmax", "Hardmax"), "Hardmax"),
    ("an unknown function", rename("Erf", "Sin"), "does not know"),
    ("a mask that hides nothing", unmask, "shows token 3 of 5 to token 0"),
    ("a mask that is too weak", weaken, "than a mask"),
    ("scores over nothing", constant("Div", 1, 1, np.float32(0)), "by 0"),
    ("the last token", constant("Gather", -1, 1, np.int64(-1)), "first nor the wanted"),
    ("a softmax over heads", turn("Softmax", 1), "than the keys"),
]


@pytest.mark.parametrize(("name", "edit", "told"), ENCODERS, ids=[one[0] for one in ENCODERS])
def test_an_encoder_is_refused(name: str, edit: Edit, told: str) -> None:
    model = bert(Style())
    edit(model)
    found = lower(model, "edited")
    assert isinstance(found, NotLowered)
    assert told in found.reason


DECODERS: list[tuple[str, Edit, str]] = [
    ("no mask", unmask, "shows token 1 of 5 to token 0"),
    ("a mask of one token", rename("LessOrEqual", "Equal"), "hides token 0 of 5 to token 1"),
    ("a strict mask", rename("LessOrEqual", "Less"), "hides token 0 of 5 to token 0"),
    ("turned by other angles", rename("Sin", "Cos"), "no cosine and sine"),
    ("halves in the wrong order", rename("Neg", "Identity"), "half a head apart"),
]


@pytest.mark.parametrize(("name", "edit", "told"), DECODERS, ids=[one[0] for one in DECODERS])
def test_a_decoder_is_refused(name: str, edit: Edit, told: str) -> None:
    model = decoder(DecoderStyle())
    edit(model)
    found = lower(model, "edited")
    assert isinstance(found, NotLowered)
    assert told in found.reason


def test_a_window_of_attention_shows_at_the_longest_text(tmp_path: Path) -> None:
    """Keys further back than 40 tokens are hidden: no short text would tell."""
    model = tiny(tmp_path, "llama").graph
    greater = node(model, "Greater")
    before, users = greater.inputs[1], list(greater.outputs[0].uses())
    far = initializer("far", np.asarray(40, np.int64))
    model.graph.register_initializer(far)
    start = ir.node("Sub", [before, far], name="start")
    early = ir.node("Less", [greater.inputs[0], start.outputs[0]], name="early")
    both = ir.node("Or", [greater.outputs[0], early.outputs[0]], name="both")
    for one in (start, early, both):
        one.outputs[0].name = one.name
    model.graph.insert_after(greater, [start, early, both])
    for user, place in users:
        user.replace_input_with(place, both.outputs[0])
    near = lower(model, "short", max_positions=41)
    assert not isinstance(near, NotLowered), near.reason
    found = lower(model, "long", max_positions=64)
    assert isinstance(found, NotLowered)
    assert "hides token 0 of 64 to token 63" in found.reason


def test_the_reason_is_one_line_that_names_the_node() -> None:
    model = bert(Style())
    node(model, "Softmax").op_type = "Hardmax"
    found = lower(model, "edited")
    assert isinstance(found, NotLowered)
    assert (found.node, found.op_type) == ("Softmax", "Hardmax")
    assert found.reason.startswith("Hardmax Softmax: is an operator that")


def test_inputs_that_nobody_knows_are_refused() -> None:
    model = bert(Style())
    model.graph.inputs[2].name = "pixels"
    found = lower(model, "edited")
    assert isinstance(found, NotLowered)
    assert found.reason == "input pixels: is an input that the lowering does not know"


def test_old_operator_sets_are_refused() -> None:
    model = bert(Style())
    model.graph.opset_imports[""] = 11
    found = lower(model, "old")
    assert isinstance(found, NotLowered)
    assert found.reason == "opset old: must be 13 to 23, got 11"


def test_weights_that_are_not_finite_are_refused() -> None:
    model = bert(Style())
    held = model.graph.initializers["inner.w"].const_value
    assert held is not None
    held.numpy()[0, 0] = np.inf
    found = lower(model, "edited")
    assert isinstance(found, NotLowered)
    assert "not finite" in found.reason


ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")
FUNCTIONS = ("Sqrt", "Neg", "Abs", "Tanh", "Sigmoid", "Relu", "Erf", "Exp", "Reciprocal")


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_graph_is_refused_or_lowered_right(seed: int) -> None:
    """Nodes that compute something else: what still lowers computes what onnxruntime does."""
    rng = np.random.default_rng(seed)
    kinds = {"same": 0, "refused": 0}
    for _ in range(40):
        model = bert(Style()) if rng.random() < 0.5 else decoder(DecoderStyle())
        nodes = [one for one in model.graph if one.op_type in (*ARITHMETIC, *FUNCTIONS)]
        one = nodes[rng.integers(len(nodes))]
        family = ARITHMETIC if one.op_type in ARITHMETIC else FUNCTIONS
        one.op_type = family[rng.integers(len(family))]
        found = lower(model, "changed", max_positions=64)
        if isinstance(found, NotLowered):
            kinds["refused"] += 1
            continue
        kinds["same"] += 1
        assert largest_error(model, found) < 1e-4, one
    assert min(kinds.values()) > 0
