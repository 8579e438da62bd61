"""Graphs for the flavour of ONNX Runtime Web for GPUs, judged by native onnxruntime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from extbuild.artifacts import CompressedModel
from extbuild.compile.gpu import gpu_forms
from extbuild.compile.ort import compile_for_ort, pack
from extbuild.compress.run import compress
from extbuild.config.recipe import (
    Block4Bit,
    Block8Bit,
    BlockSize,
    DynamicInt8,
    PassSpec,
    TieEmbeddings,
)
from extbuild.ort import Array, Session
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny

HALF_TOLERANCE = 2e-3  # of the spread of the logits, after two layers of sums in float16
KV_HEADS, HEAD_DIM = 2, 8  # of the tiny model
TIED = TieEmbeddings(name="tie_embeddings")


def compressed(folder: Path, passes: Sequence[PassSpec], hidden: int = 32) -> CompressedModel:
    write_tiny(folder, "llama", seed=1, hidden_size=hidden)
    return compress(load_source(folder, "tiny", "completion"), passes)


def blocks(bits: int, block: BlockSize = 32) -> PassSpec:
    if bits == 4:
        return Block4Bit(name="block_4bit", block=block)
    return Block8Bit(name="block_8bit", block=block)


def logits(model: ir.Model) -> NDArray[np.float32]:
    """Of every position of a short text."""
    packed = pack(model)
    session = Session(packed.graph, packed.weights)
    ids = np.arange(5, 13, dtype=np.int64)[None]
    feeds: dict[str, Array] = {
        "input_ids": ids,
        "position_ids": np.arange(8, dtype=np.int64)[None],
        "logits_index": np.arange(8, dtype=np.int64),
    }
    for value in model.graph.inputs:
        if value.name is not None and value.name.startswith("past"):
            feeds[value.name] = np.zeros((1, KV_HEADS, 0, HEAD_DIM), np.float32)
    return np.asarray(session.run(feeds)[0], np.float32)


def operators(model: ir.Model) -> set[str]:
    return {node.op_type for node in model.graph}


# 32 values a row are one block, whose zero point has a byte to itself; 64 are two, in one byte.
@pytest.mark.parametrize("hidden", [32, 64])
@pytest.mark.parametrize("bits", [4, 8])
def test_the_float32_form_says_the_same_without_block_lookups(
    tmp_path: Path, bits: int, hidden: int
) -> None:
    graph = compressed(tmp_path, [TIED, blocks(bits)], hidden).graph
    forms = gpu_forms(graph)
    assert "GatherBlockQuantized" in operators(graph)
    assert "GatherBlockQuantized" not in operators(forms.single)
    np.testing.assert_array_equal(logits(forms.single), logits(graph))


def test_only_casts_of_the_float32_form_see_float16(tmp_path: Path) -> None:
    """What folds away before a shader is made, which adapters without float16 refuse."""
    single = gpu_forms(compressed(tmp_path, [TIED, blocks(4)]).graph).single
    halves = [
        value for value in single.graph.initializers.values() if value.dtype == ir.DataType.FLOAT16
    ]
    assert halves
    assert {node.op_type for value in halves for node, _ in value.uses()} == {"Cast"}


@pytest.mark.parametrize("bits", [4, 8])
def test_the_float16_form_computes_products_in_float16_and_all_else_in_float32(
    tmp_path: Path, bits: int
) -> None:
    graph = compressed(tmp_path, [TIED, blocks(bits)]).graph
    half = gpu_forms(graph).half
    assert half is not None
    products = [node for node in half.graph if node.op_type == "MatMulNBits"]
    assert len(products) == sum(node.op_type == "MatMulNBits" for node in graph.graph)
    for node in products:
        for index in (0, 2):
            value = node.inputs[index]
            assert value is not None
            assert value.dtype == ir.DataType.FLOAT16
        assert {user.op_type for user, _ in node.outputs[0].uses()} == {"Cast"}
    expected, found = logits(graph), logits(half)
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).max() <= HALF_TOLERANCE * np.ptp(expected)


def test_both_forms_point_into_one_blob_in_which_scales_are_halves(tmp_path: Path) -> None:
    model = compressed(tmp_path, [TIED, blocks(4)])
    files = compile_for_ort(model, gpu=True).ort
    assert files is not None
    assert files.graph_f16 is not None
    Session(files.graph_f16, files.weights)
    alone = compile_for_ort(model).ort
    assert alone is not None
    assert alone.graph_f16 is None
    assert len(files.weights) < len(alone.weights)


@pytest.mark.parametrize("passes", [[], [DynamicInt8(name="dynamic_int8")]])
def test_a_model_without_block_products_has_no_float16_form(
    tmp_path: Path, passes: list[PassSpec]
) -> None:
    graph = compressed(tmp_path, passes).graph
    forms = gpu_forms(graph)
    assert forms.half is None
    assert pack(forms.single) == pack(graph)


def test_scales_that_float16_does_not_hold_keep_a_model_in_float32(tmp_path: Path) -> None:
    graph = compressed(tmp_path, [TIED, blocks(4)]).graph
    product = next(node for node in graph.graph if node.op_type == "MatMulNBits")
    scales = product.inputs[2]
    assert scales is not None
    assert scales.const_value is not None
    wider = scales.const_value.numpy() * np.float32(1.0001)
    scales.const_value = ir.tensor(wider, name=scales.name)
    forms = gpu_forms(graph)
    assert forms.half is None
    np.testing.assert_array_equal(logits(forms.single), logits(graph))


def test_the_graph_itself_stays_as_it_is(tmp_path: Path) -> None:
    graph = compressed(tmp_path, [TIED, blocks(4)]).graph
    before = pack(graph)
    gpu_forms(graph)
    assert pack(graph) == before
