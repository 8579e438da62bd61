"""Directories with an ONNX file: what is accepted, what is adapted, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from extbuild.artifacts import Task
from extbuild.errors import SourceError
from extbuild.ort import Session
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny_completion, write_tiny_moderation


def as_onnx(directory: Path, *, external: bool) -> None:
    """Replace safetensors by an ONNX file of the same model."""
    graph = load_source(directory, "tiny", "moderation").graph
    (directory / "model.safetensors").unlink()
    data = "model.onnx.data" if external else None
    ir.save(graph, directory / "model.onnx", external_data=data)


def run(graph: ir.Model) -> np.ndarray:
    feeds = {"input_ids": np.asarray([[2, 40, 57, 3]]), "attention_mask": np.ones((1, 4), np.int64)}
    return Session(ir.to_proto(graph).SerializeToString()).run(feeds)[0]


@pytest.mark.parametrize("external", [False, True])
def test_an_onnx_file_is_read_with_its_external_data(tmp_path: Path, external: bool) -> None:
    write_tiny_moderation(tmp_path)
    expected = run(load_source(tmp_path, "tiny", "moderation").graph)
    as_onnx(tmp_path, external=external)
    source = load_source(tmp_path, "tiny", "moderation")
    assert run(source.graph) == pytest.approx(expected, abs=1e-6)
    assert source.source_bytes > 100_000


def test_an_onnx_file_may_have_token_types(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    expected = run(load_source(tmp_path, "tiny", "moderation").graph)
    as_onnx(tmp_path, external=False)
    model = ir.load(tmp_path / "model.onnx")
    add_token_types(model)
    ir.save(model, tmp_path / "model.onnx")
    source = load_source(tmp_path, "tiny", "moderation")
    assert [value.name for value in source.graph.graph.inputs] == ["input_ids", "attention_mask"]
    assert run(source.graph) == pytest.approx(expected, abs=1e-6)


def add_token_types(model: ir.Model) -> None:
    """Mask minus token_type_ids instead of mask: the same as long as the types are 0."""
    mask = model.graph.inputs[1]
    types = ir.Value(name="token_type_ids", shape=mask.shape, type=ir.TensorType(ir.DataType.INT64))
    users = list(mask.uses())
    both = ir.node("Sub", [mask, types], name="both")
    both.outputs[0].name = "both"
    model.graph.insert_before(model.graph[0], both)
    for node, index in users:
        node.replace_input_with(index, both.outputs[0])
    model.graph.inputs.append(types)


@pytest.mark.parametrize(
    ("name", "keep", "told"),
    [
        ("model.onnx", 100, "model.onnx: is not a readable ONNX file"),
        ("model.onnx.data", 5_000, "model.onnx.data: is truncated"),
    ],
)
def test_a_damaged_onnx_file_is_told(tmp_path: Path, name: str, keep: int, told: str) -> None:
    write_tiny_moderation(tmp_path)
    as_onnx(tmp_path, external=True)
    damaged = tmp_path / name
    damaged.write_bytes(damaged.read_bytes()[:keep])
    with pytest.raises(SourceError, match=told):
        load_source(tmp_path, "tiny", "moderation")


def test_missing_external_data_is_told(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    as_onnx(tmp_path, external=True)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(SourceError, match=r"model\.onnx\.data: is missing"):
        load_source(tmp_path, "tiny", "moderation")


def test_a_decoder_without_the_conventions_is_refused(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    as_onnx(tmp_path, external=False)
    write_tiny_completion(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"lacks position_ids, logits_index.*Graph conventions"):
        load_source(tmp_path, "tiny", "completion")


def test_labels_that_do_not_fit_the_logits_are_told(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    as_onnx(tmp_path, external=False)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"id2label": {"0": "toxic"}}))
    with pytest.raises(SourceError, match=r"logits: must have the shape \(batch, 1\)"):
        load_source(tmp_path, "tiny", "moderation")


def test_two_kinds_of_weights_are_one_too_many(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    as_onnx(tmp_path, external=False)
    write_tiny_moderation(tmp_path)
    with pytest.raises(SourceError, match=r"holds both model\.safetensors and model\.onnx"):
        load_source(tmp_path, "tiny", "moderation")


Edit = Callable[[ir.Model], object]


def rename_operator(model: ir.Model) -> None:
    next(node for node in model.graph if node.op_type == "Tanh").op_type = "Foo"


def of_type(name: str, dtype: ir.DataType) -> Edit:
    """Give an input another type, with a Cast behind it, so that the graph stays valid."""

    def edit(model: ir.Model) -> None:
        value = next(value for value in model.graph.inputs if value.name == name)
        users = list(value.uses())
        cast = ir.node("Cast", [value], {"to": value.dtype}, name=f"{name}/Cast")
        cast.outputs[0].name = cast.name
        model.graph.insert_before(model.graph[0], cast)
        for node, index in users:
            node.replace_input_with(index, cast.outputs[0])
        value.dtype = dtype

    return edit


def of_shape(name: str, *dims: int | str) -> Edit:
    def edit(model: ir.Model) -> None:
        value = next(value for value in model.graph.inputs if value.name == name)
        value.shape = ir.Shape(dims)

    return edit


# (task, what is wrong with the graph, what the error says)
BAD_GRAPHS: list[tuple[Task, Edit, str]] = [
    (
        "moderation",
        rename_operator,
        r"model\.onnx: must be a valid ONNX graph, got No Op registered for Foo .*"
        r"Name: classifier/Tanh",
    ),
    (
        "moderation",
        of_type("input_ids", ir.DataType.INT32),
        r"input_ids: must be INT64 of the shape \(batch, seq\).*got INT32",
    ),
    (
        "moderation",
        of_shape("attention_mask", "batch", 64),
        r"attention_mask: must be INT64 of the shape \(batch, seq\).*64",
    ),
    (
        "completion",
        of_type("logits_index", ir.DataType.INT32),
        r"logits_index: must be INT64 of the shape \(n\)",
    ),
    (
        "completion",
        of_shape("past_key_values.1.value", "batch", 2, 7, 8),
        r"past_key_values\.1\.value: must be FLOAT of the shape \(batch, 2, past, 8\).*7",
    ),
]


@pytest.mark.parametrize(
    ("task", "edit", "told"), BAD_GRAPHS, ids=[case[2][:24] for case in BAD_GRAPHS]
)
def test_a_graph_that_cannot_be_used_is_told(
    tmp_path: Path, task: Task, edit: Edit, told: str
) -> None:
    (write_tiny_moderation if task == "moderation" else write_tiny_completion)(tmp_path)
    graph = load_source(tmp_path, "tiny", task).graph
    edit(graph)
    (tmp_path / "model.safetensors").unlink()
    ir.save(graph, tmp_path / "model.onnx")
    with pytest.raises(SourceError, match=told) as caught:
        load_source(tmp_path, "tiny", task)
    assert "\n" not in str(caught.value)


def test_a_cache_that_config_json_contradicts_is_told(tmp_path: Path) -> None:
    write_tiny_completion(tmp_path)
    ir.save(load_source(tmp_path, "tiny", "completion").graph, tmp_path / "model.onnx")
    (tmp_path / "model.safetensors").unlink()
    assert load_source(tmp_path, "tiny", "completion").params > 0
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_key_value_heads": 4}))
    with pytest.raises(SourceError, match=r"key: must be FLOAT of the shape \(batch, 4, past, 8\)"):
        load_source(tmp_path, "tiny", "completion")
