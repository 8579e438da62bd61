"""Directories with an ONNX file: what is accepted, what is adapted, and what is refused."""

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

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
