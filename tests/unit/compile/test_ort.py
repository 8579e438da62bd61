"""Packed files: weights out of the graph, aligned, the same bytes every time, and loadable."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from extbuild.artifacts import CompressedModel, SourceModel
from extbuild.compile.ort import ALIGNMENT_BYTES, MAX_INLINE_BYTES, compile_for_ort, session_from
from extbuild.compile.run import ort_files
from extbuild.compress.run import compress
from extbuild.config.recipe import DynamicInt8, FoldConstants
from extbuild.errors import CompileError
from extbuild.ort import Session
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny_moderation

PASSES = (FoldConstants(name="fold_constants"), DynamicInt8(name="dynamic_int8"))


@pytest.fixture
def source(tmp_path: Path) -> SourceModel:
    write_tiny_moderation(tmp_path)
    return load_source(tmp_path, "tiny", "moderation")


def external(graph: bytes) -> list[tuple[str, int, int]]:
    """``(name, offset, length)`` of every weight outside the graph, in graph order."""
    found = []
    for tensor in onnx.load_model_from_string(graph).graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if entries:
            assert entries["location"] == "weights.bin"
            found.append((tensor.name, int(entries["offset"]), int(entries["length"])))
    return found


def test_weights_lie_aligned_in_order_and_without_overlap(source: SourceModel) -> None:
    files = ort_files(compile_for_ort(compress(source, PASSES)))
    ranges = external(files.graph)
    assert len(ranges) > 15
    end = 0
    for _, offset, length in ranges:
        assert offset % ALIGNMENT_BYTES == 0
        assert 0 <= offset - end < ALIGNMENT_BYTES
        end = offset + length
    assert end == len(files.weights)


def test_small_tensors_stay_in_the_graph(source: SourceModel) -> None:
    files = ort_files(compile_for_ort(compress(source, PASSES)))
    outside = {name for name, _, _ in external(files.graph)}
    for tensor in onnx.load_model_from_string(files.graph).graph.initializer:
        if tensor.name not in outside:
            assert len(tensor.raw_data) <= MAX_INLINE_BYTES
    assert "classifier.bias" not in outside


def test_two_builds_give_the_same_bytes(source: SourceModel) -> None:
    one, two = (compile_for_ort(compress(source, PASSES)) for _ in range(2))
    assert one == two


def test_the_packed_model_computes_what_the_graph_does(source: SourceModel) -> None:
    compressed = compress(source, PASSES)
    feeds = {"input_ids": np.asarray([[2, 40, 57, 3]]), "attention_mask": np.ones((1, 4), np.int64)}
    whole = Session(ir.to_proto(compressed.graph).SerializeToString()).run(feeds)[0]
    packed = session_from("tiny", ort_files(compile_for_ort(compressed))).run(feeds)[0]
    assert (packed == whole).all()


def test_compiling_leaves_the_compressed_model_alone(source: SourceModel) -> None:
    compressed = compress(source, PASSES)
    before = ir.to_proto(compressed.graph).SerializeToString()
    compile_for_ort(compressed)
    assert ir.to_proto(compressed.graph).SerializeToString() == before


def test_operators_are_counted(source: SourceModel) -> None:
    operators = compile_for_ort(compress(source, PASSES)).operators
    assert operators["com.microsoft::MatMulIntegerToFloat"] == 13
    assert operators["ai.onnx::Gelu"] == 2
    assert list(operators) == sorted(operators)


@pytest.mark.parametrize(
    ("op_type", "domain", "told"),
    [
        ("Tahn", "", ["Tanh.7: must be", "got ai.onnx::Tahn", "nearest known operator: Tan"]),
        ("RotaryEmbedding", "", ["got ai.onnx::RotaryEmbedding"]),
        ("PagedAttention", "com.microsoft", ["got com.microsoft::PagedAttention"]),
        ("Roll", "com.example", ["got com.example::Roll", "standard operators only"]),
    ],
)
def test_an_operator_that_no_backend_has_is_told_with_its_node(
    source: SourceModel, op_type: str, domain: str, told: list[str]
) -> None:
    graph = source.graph.clone()
    node = next(node for node in graph.graph if node.op_type == "Tanh")
    node.op_type, node.domain, node.name = op_type, domain, "classifier/Tanh.7"
    with pytest.raises(CompileError) as caught:
        compile_for_ort(CompressedModel(replace(source, graph=graph), graph, ()))
    assert [part for part in told if part not in str(caught.value)] == []
    assert str(caught.value).startswith("tiny: node classifier/Tanh.7: ")


def test_a_graph_that_onnxruntime_refuses_is_told(source: SourceModel) -> None:
    graph = source.graph.clone()
    node = next(node for node in graph.graph if node.op_type == "Reshape")
    node.op_type = "MatMul"
    with pytest.raises(CompileError, match=r"tiny: graph: must load in onnxruntime, got .+"):
        compile_for_ort(CompressedModel(replace(source, graph=graph), graph, ()))
