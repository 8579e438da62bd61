"""Sentence embeddings: which vectors a directory of sentence-transformers stands for."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from safetensors.numpy import load_file, save_file

from extbuild.compile.coverage import check_coverage
from extbuild.errors import SourceError
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny
from tests.unit.source.reference import Floats
from tests.unit.source.reference_encoders import bert_states, distilbert_states, unit_mean
from tests.unit.source.test_graphs import IDS, config_of, encode, session_of, weights_of

MODULES = "modules.json"
POOLING = "1_Pooling/config.json"
Edit = Callable[[Path], object]


def states(directory: Path) -> Floats:
    return bert_states(config_of(directory), weights_of(directory), IDS, "")


def write(file: str, value: object) -> Edit:
    return lambda directory: (directory / file).write_text(json.dumps(value))


def first_modules(count: int) -> Edit:
    def edit(directory: Path) -> None:
        file = directory / MODULES
        file.write_text(json.dumps(json.loads(file.read_text())[:count]))

    return edit


def without(*files: str) -> Edit:
    return lambda directory: [(directory / file).unlink() for file in files]


# (what is changed in the directory, the vector for hidden states)
DIRECTORIES: list[tuple[Edit, Callable[[Floats], Floats]]] = [
    (first_modules(3), unit_mean),
    (first_modules(2), lambda x: x.mean(0)),
    (without(MODULES), lambda x: x.mean(0)),
    (without(MODULES, POOLING), lambda x: x.mean(0)),
    (write(POOLING, {"pooling_mode_cls_token": True}), lambda x: x[0] / np.linalg.norm(x[0])),
    (write(POOLING, {"pooling_mode": "cls"}), lambda x: x[0] / np.linalg.norm(x[0])),
    (write(POOLING, {"pooling_mode": "mean"}), unit_mean),
]


@pytest.mark.parametrize(("edit", "vector"), DIRECTORIES)
def test_a_directory_gives_the_vectors_that_it_describes(
    tmp_path: Path, edit: Edit, vector: Callable[[Floats], Floats]
) -> None:
    write_tiny(tmp_path, "bert-embedding")
    edit(tmp_path)
    found = encode(session_of(tmp_path, "bert-embedding"), [IDS])[0]
    assert found == pytest.approx(vector(states(tmp_path)), abs=1e-4)


def test_distilbert_gives_vectors_too(tmp_path: Path) -> None:
    write_tiny(tmp_path, "distilbert-embedding")
    expected = distilbert_states(config_of(tmp_path), weights_of(tmp_path), IDS, "").mean(0)
    found = encode(session_of(tmp_path, "distilbert-embedding"), [IDS])[0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_pooler_of_another_training_task_is_no_part_of_it(tmp_path: Path) -> None:
    write_tiny(tmp_path, "bert-embedding")
    source = load_source(tmp_path, "tiny", "embedding")
    stored = load_file(tmp_path / "model.safetensors")
    pooler = sum(value.size for name, value in stored.items() if name.startswith("pooler."))
    assert pooler > 0
    assert source.params == sum(value.size for value in stored.values()) - pooler
    assert [value.name for value in source.graph.graph.outputs] == ["embeddings"]
    assert check_coverage("tiny", source.graph)["ai.onnx::ReduceL2"] == 1


def test_a_prefix_before_the_names_is_found(tmp_path: Path) -> None:
    write_tiny(tmp_path, "bert-embedding")
    expected = encode(session_of(tmp_path, "bert-embedding"), [IDS])
    stored = load_file(tmp_path / "model.safetensors")
    save_file({f"bert.{name}": stored[name] for name in stored}, tmp_path / "model.safetensors")
    assert encode(session_of(tmp_path, "bert-embedding"), [IDS]) == pytest.approx(expected)


def test_an_embedding_is_read_from_an_onnx_file(tmp_path: Path) -> None:
    write_tiny(tmp_path, "bert-embedding")
    graph = load_source(tmp_path, "tiny", "embedding").graph
    (tmp_path / "model.safetensors").unlink()
    ir.save(graph, tmp_path / "model.onnx")
    assert load_source(tmp_path, "tiny", "embedding").params > 0
    with pytest.raises(SourceError, match="must have the outputs logits"):
        load_source(tmp_path, "tiny", "moderation")


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (
            write(
                MODULES, [{"type": "a.Transformer", "path": ""}, {"type": "b.Dense", "path": ""}]
            ),
            r"modules\.json: must list Transformer, Pooling .* got Transformer, Dense",
        ),
        (write(MODULES, [{"idx": 0}]), r'modules\.json: must list steps with "type" and "path"'),
        (without(POOLING), r"1_Pooling/config\.json: is missing, though modules\.json names it"),
        (
            write(POOLING, {"pooling_mode_max_tokens": True}),
            r"pooling_mode: must be one of .* got \[\"pooling_mode_max_tokens\"\]",
        ),
        (write(POOLING, {"pooling_mode": "max"}), r"pooling_mode: must be one of mean, cls"),
        (
            write(POOLING, {"pooling_mode": "mean", "word_embedding_dimension": 64}),
            "word_embedding_dimension: must be hidden_size 32, got 64",
        ),
    ],
)
def test_pooling_that_has_no_form_here_is_told(tmp_path: Path, edit: Edit, told: str) -> None:
    write_tiny(tmp_path, "bert-embedding")
    edit(tmp_path)
    with pytest.raises(SourceError, match=told):
        load_source(tmp_path, "tiny", "embedding")
