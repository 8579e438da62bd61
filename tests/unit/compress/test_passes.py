"""Each pass on real small models: what it does to weights, and what it leaves of the logits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from extbuild.artifacts import CompressedModel, SourceModel, Task
from extbuild.compress.kernels import Bits, quantize_blocks, unpack_blocks
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
from extbuild.errors import CompressError
from extbuild.ort import Session
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny_completion, write_tiny_moderation

Floats = NDArray[np.float32]
FOLD = FoldConstants(name="fold_constants")
TIE = TieEmbeddings(name="tie_embeddings")
INT8 = DynamicInt8(name="dynamic_int8")
INT7 = DynamicInt8(name="dynamic_int8", weight_bits=7)
INT4 = Block4Bit(name="block_4bit")
BLOCK8 = Block8Bit(name="block_8bit")
HALF = Float16(name="float16")
IDS = [2, 40, 57, 90, 41, 3]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, SourceModel]:
    directory = tmp_path_factory.mktemp("models")
    write_tiny_moderation(directory / "m")
    write_tiny_completion(directory / "c")
    return {
        "moderation": load_source(directory / "m", "tiny", "moderation"),
        "completion": load_source(directory / "c", "tiny", "completion"),
    }


def run(graph: ir.Model, task: Task, rows: Sequence[Sequence[int]] = (IDS,)) -> Floats:
    """Logits of equally long rows; for a decoder after every position."""
    ids = np.asarray(rows)
    feeds: dict[str, NDArray] = {"input_ids": ids}
    if task == "moderation":
        feeds["attention_mask"] = np.ones_like(ids)
    else:
        feeds["position_ids"] = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        feeds["logits_index"] = np.arange(ids.shape[1])
        for layer in range(2):
            for kind in ("key", "value"):
                empty = np.zeros((len(ids), 2, 0, 8), np.float32)
                feeds[f"past_key_values.{layer}.{kind}"] = empty
    return np.asarray(Session(ir.to_proto(graph).SerializeToString()).run(feeds)[0])


def operators(graph: ir.Model) -> list[str]:
    return [node.op_type for node in graph.graph]


@pytest.mark.parametrize(
    ("task", "passes", "tolerance"),
    [
        ("moderation", [FOLD], 1e-6),
        ("moderation", [FOLD, INT8], 0.04),
        ("moderation", [INT8], 0.04),
        ("moderation", [FOLD, INT7], 0.06),
        ("moderation", [FOLD, INT4], 0.5),
        ("moderation", [FOLD, BLOCK8], 0.03),
        ("moderation", [FOLD, HALF], 1e-3),
        ("moderation", [FOLD, INT4, INT8, HALF], 0.5),
        ("completion", [FOLD], 1e-6),
        ("completion", [TIE], 1e-6),
        ("completion", [FOLD, TIE, INT8], 0.06),
        ("completion", [INT8], 0.06),
        ("completion", [FOLD, TIE, INT7], 0.08),
        ("completion", [TIE, BLOCK8], 0.03),
        ("completion", [TIE, INT4], 0.6),
        ("completion", [TIE, HALF], 1e-3),
    ],
    ids=str,
)
def test_logits_stay_near(
    models: dict[Task, SourceModel], task: Task, passes: list[PassSpec], tolerance: float
) -> None:
    after = compress(models[task], passes)
    expected = run(models[task].graph, task)
    difference = run(after.graph, task) - expected
    assert np.sqrt((difference**2).mean() / (expected**2).mean()) < tolerance


@pytest.mark.parametrize(
    ("task", "passes", "most"),
    [
        ("moderation", [FOLD, INT8], 0.40),
        ("moderation", [FOLD, INT4, INT8], 0.36),
        ("completion", [FOLD, TIE, INT8], 0.30),
        ("completion", [TIE, INT4], 0.18),
        ("completion", [TIE, BLOCK8], 0.31),
        ("completion", [TIE, HALF], 0.55),
    ],
    ids=str,
)
def test_weights_shrink(
    models: dict[Task, SourceModel], task: Task, passes: list[PassSpec], most: float
) -> None:
    reports = compress(models[task], passes).reports
    assert reports[-1].weight_bytes_after / reports[0].weight_bytes_before < most


@pytest.mark.parametrize(("spec", "most"), [(INT7, 63), (INT8, 127)])
def test_weights_of_products_use_the_bits_that_they_may(
    models: dict[Task, SourceModel], spec: PassSpec, most: int
) -> None:
    graph = compress(models["moderation"], [spec]).graph
    products = [node for node in graph.graph if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 2 * 6 + 1
    for node in products:
        held = node.inputs[1].const_value.numpy()
        assert np.abs(held.astype(int)).max() == most
    table = graph.graph.initializers["bert.embeddings.word_embeddings.weight.int8"]
    assert np.abs(table.const_value.numpy().astype(int)).max() == 127


@pytest.mark.parametrize("task", ["moderation", "completion"])
def test_every_text_is_quantised_alone(models: dict[Task, SourceModel], task: Task) -> None:
    graph = compress(models[task], [INT8]).graph
    other = [9, 8, 7, 120, 11, 3]
    together = run(graph, task, [IDS, other])
    assert together[0] == pytest.approx(run(graph, task, [IDS])[0], abs=1e-5)
    assert together[1] == pytest.approx(run(graph, task, [other])[0], abs=1e-5)


def test_a_shared_table_is_stored_once_as_int8(models: dict[Task, SourceModel]) -> None:
    graph = compress(models["completion"], [FOLD, TIE, INT8]).graph.graph
    tables = [name for name in graph.initializers if "embed_tokens" in name]
    assert tables == [
        "model.embed_tokens.weight.transposed.int8",
        "model.embed_tokens.weight.transposed.scale",
    ]


@pytest.mark.parametrize(("spec", "bits"), [(INT4, 4), (BLOCK8, 8)])
def test_a_shared_table_is_stored_once_in_blocks(
    models: dict[Task, SourceModel], spec: PassSpec, bits: int
) -> None:
    graph = compress(models["completion"], [TIE, spec]).graph
    tables = [
        name
        for name in graph.graph.initializers
        if name.endswith(f"embed_tokens.weight.transposed.int{bits}")
    ]
    assert len(tables) == 1
    assert operators(graph).count("GatherBlockQuantized") == 1


@pytest.mark.parametrize(("spec", "bits"), [(INT4, 4), (BLOCK8, 8)])
def test_operators_of_blocks_read_what_the_kernel_wrote(
    models: dict[Task, SourceModel], spec: PassSpec, bits: Bits
) -> None:
    tied = compress(models["completion"], [TIE]).graph
    expected = tied.clone()
    for value in expected.graph.initializers.values():
        held = value.const_value
        if held is not None and held.dtype == ir.DataType.FLOAT and len(held.shape) == 2:
            stored = quantize_blocks(held.numpy(), 32, bits)
            value.const_value = ir.Tensor(unpack_blocks(stored), name=value.name)
    found = compress(replace(models["completion"], graph=tied), [spec]).graph
    assert run(found, "completion") == pytest.approx(run(expected, "completion"), abs=1e-4)


@pytest.mark.parametrize("kind", [Block4Bit, Block8Bit])
@pytest.mark.parametrize("shift", [0.0, 1.0], ids=["around zero", "all positive"])
@pytest.mark.parametrize("block", [32, 64])
def test_a_product_in_blocks_is_that_of_the_unpacked_matrix(
    models: dict[Task, SourceModel],
    kind: type[Block4Bit] | type[Block8Bit],
    shift: float,
    block: Literal[32, 64],
) -> None:
    bits: Bits = 4 if kind is Block4Bit else 8
    rng = np.random.default_rng(0)
    weight = (shift + rng.uniform(-1, 1, (192, 16))).astype(np.float32)
    stored = quantize_blocks(weight, block, bits)
    assert (stored.zero_points is None) == (shift == 0 or bits == 8)
    graph = one_node("MatMul", weight, {}, None)
    spec = kind(name=f"block_{bits}bit", block=block)
    after = compress(named(models, graph), [spec]).graph
    x = rng.standard_normal((3, 192)).astype(np.float32)
    found = Session(ir.to_proto(after).SerializeToString()).run({"x": x})[0]
    assert found == pytest.approx(x @ unpack_blocks(stored), abs=1e-3)


def test_products_of_one_input_share_its_quantised_form(models: dict[Task, SourceModel]) -> None:
    found = operators(compress(models["completion"], [TIE, INT8]).graph)
    # Per layer: query, key and value together; output; gate and up together; down. And the head.
    assert found.count("QuantizeLinear") == 2 * 4 + 1
    assert found.count("MatMulIntegerToFloat") == 2 * 7 + 1


def test_a_row_of_zeros_stays_zero(models: dict[Task, SourceModel]) -> None:
    graph = product(np.eye(32, dtype=np.float32))
    session = Session(ir.to_proto(compress(named(models, graph), [INT8]).graph).SerializeToString())
    assert (session.run({"x": np.zeros((1, 32), np.float32)})[0] == 0).all()


def test_folding_takes_chains_and_dead_nodes_but_not_growth(
    models: dict[Task, SourceModel],
) -> None:
    after = compress(models["completion"], [FOLD])
    assert "folding would add weights" in after.reports[0].notes[0]
    assert "Transpose" in operators(after.graph)
    before = compress(models["moderation"], [])
    folded = compress(models["moderation"], [FOLD])
    assert operators(folded.graph).count("Add") == operators(before.graph).count("Add") - 1


def test_skipped_weights_stay_as_they_are(models: dict[Task, SourceModel]) -> None:
    spec = DynamicInt8(name="dynamic_int8", skip=("bert.encoder.layer.0.*",), embeddings=False)
    kept = compress(models["moderation"], [spec]).graph.graph.initializers
    assert "bert.encoder.layer.0.output.dense.weight" in kept
    assert "bert.encoder.layer.1.output.dense.weight" not in kept
    assert "bert.embeddings.word_embeddings.weight" in kept


def test_narrow_heads_stay_float(models: dict[Task, SourceModel]) -> None:
    for spec in (INT8, INT4, BLOCK8):
        kept = compress(models["moderation"], [spec]).graph.graph.initializers
        assert kept["classifier.weight"].dtype == ir.DataType.FLOAT


@pytest.mark.parametrize("spec", [INT8, INT4, BLOCK8], ids=str)
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [None, "vector"])
def test_gemm_is_a_product(
    models: dict[Task, SourceModel], spec: PassSpec, transposed: int, bias: str | None
) -> None:
    weight = np.random.default_rng(0).standard_normal((32, 16)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((3, 32)).astype(np.float32)
    shift = np.arange(16, dtype=np.float32)
    graph = gemm(weight.T if transposed else weight, transposed, shift if bias else None)
    after = compress(named(models, graph), [spec]).graph
    assert "Gemm" not in operators(after)
    result = Session(ir.to_proto(after).SerializeToString()).run({"x": x})[0]
    expected = x @ weight + (shift if bias else 0)
    assert np.abs(result - expected).max() < (2.0 if spec is INT4 else 0.2)


@pytest.mark.parametrize(
    ("task", "passes", "told"),
    [
        ("moderation", [TIE], "passes[0] tie_embeddings: finds no output head"),
        (
            "moderation",
            [Block4Bit(name="block_4bit", block=128)],
            "passes[0] block_4bit.block: must divide 32 (rows of bert.encoder.layer.0.",
        ),
        (
            "moderation",
            [FOLD, DynamicInt8(name="dynamic_int8", skip=("encodr.*",))],
            "passes[1] dynamic_int8.skip: must name weights of the graph, got encodr.*",
        ),
        ("moderation", [Float16(name="float16", skip=("x",))], "float16.skip: must name weights"),
        ("moderation", [INT8, INT8], "passes[1] dynamic_int8: finds no constant float32 matrix"),
    ],
)
def test_a_pass_that_cannot_run_says_why(
    models: dict[Task, SourceModel], task: Task, passes: list[PassSpec], told: str
) -> None:
    with pytest.raises(CompressError) as caught:
        compress(models[task], passes)
    assert str(caught.value).startswith("tiny: ")
    assert told in str(caught.value)


def test_a_value_beyond_float16_keeps_its_tensor(models: dict[Task, SourceModel]) -> None:
    weight = np.full((32, 32), 1e5, np.float32)
    after = compress(named(models, product(weight)), [HALF])
    assert after.reports[0].changed == 0
    assert "stays float32" in after.reports[0].notes[0]


def test_no_pass_means_the_model_as_it_came(models: dict[Task, SourceModel]) -> None:
    source = models["moderation"]
    assert compress(source, ()) == CompressedModel(source, source.graph, ())


def test_progress_names_each_pass(models: dict[Task, SourceModel]) -> None:
    told: list[str] = []
    compress(models["moderation"], [FOLD, INT8], told.append)
    assert told == ["fold_constants", "dynamic_int8"]


def named(models: dict[Task, SourceModel], graph: ir.Model) -> SourceModel:
    return replace(models["moderation"], graph=graph)


def product(weight: Floats) -> ir.Model:
    return one_node("MatMul", weight, {}, None)


def gemm(weight: Floats, transposed: int, bias: Floats | None) -> ir.Model:
    return one_node("Gemm", weight, {"transB": transposed}, bias)


def one_node(kind: str, weight: Floats, attributes: dict, bias: Floats | None) -> ir.Model:
    x = ir.Value(name="x", shape=ir.Shape(["rows", "k"]), type=ir.TensorType(ir.DataType.FLOAT))
    held = [constant("w", weight)] + ([] if bias is None else [constant("b", bias)])
    node = ir.node(kind, [x, *held], attributes, name="node")
    columns = weight.shape[0] if attributes.get("transB") else weight.shape[1]
    node.outputs[0].name = "y"
    node.outputs[0].shape = ir.Shape(["rows", columns])
    node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(
        [x],
        node.outputs,
        nodes=[node],
        initializers=held,
        opset_imports={"": 21, "com.microsoft": 1},
        name="g",
    )
    return ir.Model(graph, ir_version=10)


def constant(name: str, value: Floats) -> ir.Value:
    tensor = ir.Tensor(np.ascontiguousarray(value), name=name)
    return ir.Value(
        name=name,
        shape=ir.Shape(value.shape),
        type=ir.TensorType(ir.DataType.FLOAT),
        const_value=tensor,
    )
