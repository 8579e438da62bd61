"""Every family that we build, after every recipe, computes the same as a Program."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from extbuild.artifacts import SourceModel, Task
from extbuild.compile.lower import lower
from extbuild.compile.program import Activation, DType, Flag, Kind, Op
from extbuild.compress.run import compress
from extbuild.config.recipe import (
    Block4Bit,
    Block8Bit,
    DynamicInt8,
    Float16,
    FoldConstants,
    PassSpec,
    TieEmbeddings,
)
from extbuild.source.load import load_source
from extbuild.source.synthetic import Family, write_tiny
from tests.unit.compile.lower.compare import largest_error, lowered

FOLD = FoldConstants(name="fold_constants")
TIE = TieEmbeddings(name="tie_embeddings")
INT8 = DynamicInt8(name="dynamic_int8")
INT7 = DynamicInt8(name="dynamic_int8", weight_bits=7)
ROWS_STAY = DynamicInt8(name="dynamic_int8", embeddings=False)
INT4 = Block4Bit(name="block_4bit")
WIDE4 = Block4Bit(name="block_4bit", block=64)
BLOCK8 = Block8Bit(name="block_8bit")
HALF = Float16(name="float16")

YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "beta_fast": 4.0,
    "beta_slow": 1.0,
}
FAMILIES: list[tuple[Family, dict[str, object]]] = [
    ("bert", {}),
    ("bert", {"hidden_act": "relu"}),
    ("bert", {"hidden_act": "gelu_new"}),
    ("bert-embedding", {}),
    ("distilbert", {}),
    ("distilbert-embedding", {}),
    ("roberta", {}),
    ("gpt2", {}),
    ("llama", {}),
    ("llama", {"num_key_value_heads": 4}),
    ("llama", {"num_key_value_heads": 1}),
    ("llama", {"tie_word_embeddings": False}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("llama", {"rope_scaling": {**YARN, "attention_factor": 1.5}}),
    ("llama", {"partial_rotary_factor": 0.5}),
    ("qwen2", {}),
    ("qwen3", {}),
]
ENCODER_RECIPES: list[tuple[list[PassSpec], float]] = [
    ([], 1e-5),
    ([FOLD], 1e-5),
    ([FOLD, HALF], 1e-5),
    ([FOLD, INT8], 5e-3),
    ([FOLD, ROWS_STAY], 5e-3),
    ([FOLD, INT4], 1e-4),
    ([FOLD, BLOCK8, HALF], 1e-4),
    ([FOLD, INT4, INT8, HALF], 5e-3),
]
DECODER_RECIPES: list[tuple[list[PassSpec], float]] = [
    ([TIE], 1e-5),
    ([FOLD, TIE, HALF], 1e-5),
    ([INT8], 5e-3),
    ([FOLD, TIE, INT8], 5e-3),
    ([FOLD, TIE, INT7], 5e-3),
    ([FOLD, TIE, INT4], 1e-4),
    ([FOLD, TIE, BLOCK8], 1e-4),
]


def tiny(directory: Path, family: Family, **changes: object) -> SourceModel:
    write_tiny(directory, family, **changes)
    task: Task = "moderation"
    if family.endswith("-embedding"):
        task = "embedding"
    elif family in ("gpt2", "llama", "qwen2", "qwen3"):
        task = "completion"
    return load_source(directory, "tiny", task)


@pytest.mark.parametrize(("family", "changes"), FAMILIES, ids=str)
def test_a_family_gives_what_onnxruntime_gives(
    tmp_path: Path, family: Family, changes: dict[str, object]
) -> None:
    graph = tiny(tmp_path, family, **changes).graph
    assert largest_error(graph, lowered(graph)) < 1e-5


@pytest.mark.parametrize(("passes", "tolerance"), ENCODER_RECIPES, ids=str)
@pytest.mark.parametrize("family", ["bert", "bert-embedding", "distilbert"])
def test_an_encoder_lowers_after_every_recipe(
    tmp_path: Path, family: Family, passes: Sequence[PassSpec], tolerance: float
) -> None:
    graph = compress(tiny(tmp_path, family), passes).graph
    assert largest_error(graph, lowered(graph)) < tolerance


@pytest.mark.parametrize(("passes", "tolerance"), DECODER_RECIPES, ids=str)
@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_a_decoder_lowers_after_every_recipe(
    tmp_path: Path, family: Family, passes: Sequence[PassSpec], tolerance: float
) -> None:
    graph = compress(tiny(tmp_path, family), passes).graph
    assert largest_error(graph, lowered(graph)) < tolerance


@pytest.mark.parametrize("block", [32, 64, 128])
@pytest.mark.parametrize("shift", [0.0, 1.0], ids=["symmetric", "with zero points"])
def test_blocks_of_every_size_lower(tmp_path: Path, block: int, shift: float) -> None:
    source = tiny(tmp_path, "bert", hidden_size=128, intermediate_size=256)
    for value in source.graph.graph.initializers.values():
        held = value.const_value
        if held is not None and len(held.shape) == 2 and "dense" in str(value.name):
            np.asarray(held.numpy())[:] += np.float32(shift)
    spec = Block4Bit.model_validate({"name": "block_4bit", "block": block})
    graph = compress(source, [FOLD, spec]).graph
    found = lowered(graph)
    blocked = [one for one in found.program.weights if one.block]
    assert {one.block for one in blocked} == {block}
    if shift:
        assert any(one.flags & Flag.ZEROS for one in blocked)
    assert largest_error(graph, found) < 1e-3


def test_an_encoder_layer_is_seven_operations(tmp_path: Path) -> None:
    found = lowered(tiny(tmp_path, "bert").graph)
    # Per layer: q|k|v, attention, output, norm, inner with GELU, outer, norm.
    assert found.operations == {"ATTENTION": 2, "EMBED": 1, "LINEAR": 10, "NORM": 5, "POOL": 1}
    activations = Counter(
        Activation(one.p[0]) for one in found.program.operations if one.op is Op.LINEAR
    )
    assert activations == {Activation.NONE: 7, Activation.GELU_ERF: 2, Activation.TANH: 1}


def test_a_decoder_layer_is_ten_operations(tmp_path: Path) -> None:
    found = lowered(tiny(tmp_path, "llama").graph)
    assert found.operations == {
        "ATTENTION": 2,
        "EMBED": 1,
        "GLU": 2,
        "LINEAR": 9,
        "NORM": 5,
        "POOL": 1,
        "ROPE": 4,
    }
    program = found.program
    assert (program.layers, program.kv_heads, program.head_dim) == (2, 2, 8)


def test_a_tied_table_is_stored_once(tmp_path: Path) -> None:
    for passes in ([], [FOLD, TIE, INT8], [FOLD, TIE, INT4], [FOLD, TIE, HALF]):
        graph = compress(tiny(tmp_path, "llama"), passes).graph
        operations = lowered(graph).program.operations
        assert operations[0].w0 == operations[-1].w0, passes


def test_weights_keep_the_form_that_they_have(tmp_path: Path) -> None:
    source = tiny(tmp_path, "llama")

    def forms(*passes: PassSpec) -> set[DType]:
        graph = compress(source, passes).graph
        return {weight.dtype for weight in lowered(graph).program.weights} - {DType.VECTOR}

    assert forms() == {DType.F32}
    # The pass leaves small matrices as they are.
    assert forms(FOLD, TIE, HALF) == {DType.F16, DType.F32}
    assert forms(FOLD, TIE, INT8) == {DType.I8}
    assert forms(FOLD, TIE, INT4) == {DType.I4_BLOCK}
    assert forms(FOLD, TIE, BLOCK8) == {DType.I8_BLOCK}


def test_seven_bits_are_seen(tmp_path: Path) -> None:
    source = tiny(tmp_path, "bert")
    for spec, flags in ((INT7, Flag.SEVEN_BIT), (INT8, 0)):
        weights = lowered(compress(source, [FOLD, spec]).graph).program.weights
        products = [one for one in weights if one.dtype is DType.I8 and one.rows != 256]
        assert {one.flags for one in products} >= {flags}


def test_lowering_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    graph = compress(tiny(tmp_path, "llama"), [FOLD, TIE, INT8]).graph
    assert lower(graph, "tiny") == lower(graph.clone(), "tiny")


def test_positions_end_where_the_table_ends(tmp_path: Path) -> None:
    assert lowered(tiny(tmp_path / "a", "bert").graph).program.max_positions == 64
    gpt2 = tiny(tmp_path / "b", "gpt2").graph
    assert lowered(gpt2).program.max_positions == 64
    llama = tiny(tmp_path / "c", "llama").graph
    assert lowered(llama, max_positions=48).program.max_positions == 48


def test_kinds_follow_the_inputs(tmp_path: Path) -> None:
    assert lowered(tiny(tmp_path / "a", "bert").graph).program.kind is Kind.ENCODER
    assert lowered(tiny(tmp_path / "b", "llama").graph).program.kind is Kind.DECODER
