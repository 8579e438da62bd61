"""The runner catches a pass that breaks its promise, whichever promise it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from extbuild.compress.contract import Outcome, apply
from extbuild.compress.graph import add_initializer, weight_bytes
from extbuild.compress.passes.fold_constants import FoldConstantsPass
from extbuild.errors import ContractError
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny_moderation


@dataclass(frozen=True)
class Trial:
    """A pass made of one function."""

    edit: Callable[[ir.Model], Outcome]
    name: str = "trial"

    def requires(self, model: ir.Model) -> None:
        """Nothing."""

    def run(self, model: ir.Model) -> Outcome:
        return self.edit(model)

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """Nothing."""


@pytest.fixture
def model(tmp_path: Path) -> ir.Model:
    write_tiny_moderation(tmp_path)
    return load_source(tmp_path, "tiny", "moderation").graph


def rename_output(model: ir.Model) -> Outcome:
    model.graph.outputs[0].name = "scores"
    return Outcome(1)


def drop_input(model: ir.Model) -> Outcome:
    mask = model.graph.inputs[1]
    ones = add_initializer(model, "ones", np.ones((1, 1), np.int64))
    mask.replace_all_uses_with(ones)
    model.graph.inputs.remove(mask)
    return Outcome(1)


def widen_output(model: ir.Model) -> Outcome:
    model.graph.outputs[0].shape = ir.Shape(["batch", "labels"])
    return Outcome(1)


def unknown_operator(model: ir.Model) -> Outcome:
    next(node for node in model.graph if node.op_type == "Tanh").op_type = "Tahn"
    return Outcome(1)


def wrong_shape(model: ir.Model) -> Outcome:
    weight = model.graph.initializers["bert.pooler.dense.weight"]
    weight.const_value = ir.Tensor(np.ones((7, 7), np.float32), name=weight.name)
    weight.shape = ir.Shape([7, 7])
    return Outcome(1)


def impossible_error(model: ir.Model) -> Outcome:
    return Outcome(1, max_abs_error=float("nan"))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (rename_output, "changed the graph's inputs or outputs"),
        (drop_input, "changed the graph's inputs or outputs"),
        (widen_output, "changed the graph's inputs or outputs"),
        (unknown_operator, "left an invalid graph"),
        (wrong_shape, "left an invalid graph"),
        (impossible_error, "reported what cannot be"),
    ],
)
def test_a_broken_promise_is_caught(
    model: ir.Model, edit: Callable[[ir.Model], Outcome], told: str
) -> None:
    with pytest.raises(ContractError, match=f"pass trial .*{told}|pass trial {told}"):
        apply(Trial(edit), model)


def test_a_pass_may_not_write_into_the_model_that_came_in(model: ir.Model) -> None:
    def write(copy: ir.Model) -> Outcome:
        held = copy.graph.initializers["classifier.weight"].const_value
        assert held is not None
        held.numpy()[0, 0] += 1
        return Outcome(1)

    with pytest.raises(ContractError, match="changed the model that it was given"):
        apply(Trial(write), model)


def test_sizes_in_the_report_are_counted_not_believed(model: ir.Model) -> None:
    def halve(copy: ir.Model) -> Outcome:
        del copy.graph.initializers["bert.embeddings.token_type_embeddings.weight.0"]
        return Outcome(1)

    def add(copy: ir.Model) -> Outcome:
        add_initializer(copy, "extra", np.zeros(10, np.float32))
        return Outcome(1)

    edited, report = apply(Trial(add), model)
    assert report.weight_bytes_after == report.weight_bytes_before + 40 == weight_bytes(edited)
    assert "extra" not in model.graph.initializers
    with pytest.raises(ContractError, match="left an invalid graph"):
        apply(Trial(halve), model)


def test_a_constant_node_that_the_runtime_cannot_run_is_kept() -> None:
    """onnxruntime has no BitShift for 16 bits, though the standard does."""
    shifts = ir.tensor(np.ones(3, np.uint16), name="shifts")
    constant = ir.Value(
        name="shifts", shape=ir.Shape([3]), type=ir.TensorType(shifts.dtype), const_value=shifts
    )
    x = ir.Value(name="x", shape=ir.Shape(["n", 3]), type=ir.TensorType(ir.DataType.FLOAT))
    shift = ir.node("BitShift", [constant, constant], {"direction": "LEFT"}, name="shift")
    cast = ir.node("Cast", shift.outputs, {"to": ir.DataType.FLOAT}, name="cast")
    add = ir.node("Add", [x, cast.outputs[0]], name="add")
    for node in (shift, cast, add):
        node.outputs[0].name = node.name
    add.outputs[0].shape, add.outputs[0].type = x.shape, x.type
    graph = ir.Graph(
        [x],
        add.outputs,
        nodes=[shift, cast, add],
        initializers=[constant],
        opset_imports={"": 21},
        name="g",
    )
    edited, report = apply(FoldConstantsPass(), ir.Model(graph, ir_version=10))
    assert [node.op_type for node in edited.graph] == ["BitShift", "Cast", "Add"]
    assert report.notes == ("kept, as folding would add weights or fails: 1",)
