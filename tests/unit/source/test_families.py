"""Families of models: what each is for, how its config.json is read, and what is refused."""

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from extbuild.artifacts import Task
from extbuild.compress.run import compress
from extbuild.config.recipe import (
    CompletionPolicy,
    DynamicInt8,
    FoldConstants,
    PassSpec,
    TieEmbeddings,
)
from extbuild.errors import SourceError
from extbuild.evaluate.settings import completion_settings
from extbuild.ort import Session
from extbuild.source.load import load_source
from extbuild.source.synthetic import Family, write_tiny
from extbuild.source.synthetic_families import TINY
from tests.unit.source.test_graphs import IDS, config_of, decode, empty_cache, encode

TASKS: dict[Family, Task] = {
    "bert": "moderation",
    "bert-embedding": "embedding",
    "distilbert": "moderation",
    "distilbert-embedding": "embedding",
    "gpt2": "completion",
    "llama": "completion",
    "qwen2": "completion",
    "qwen3": "completion",
    "roberta": "moderation",
}


def result(graph: ir.Model, directory: Path) -> NDArray[np.float32]:
    session = Session(ir.to_proto(graph).SerializeToString())
    if "attention_mask" in session.inputs:
        return encode(session, [IDS])
    return decode(session, IDS, empty_cache(config_of(directory)))[0]


@pytest.mark.parametrize("family", TASKS)
def test_every_family_goes_through_the_passes(tmp_path: Path, family: Family) -> None:
    write_tiny(tmp_path, family)
    source = load_source(tmp_path, "tiny", TASKS[family])
    passes: list[PassSpec] = [FoldConstants(name="fold_constants")]
    if source.task == "completion":
        passes.append(TieEmbeddings(name="tie_embeddings"))
    after = compress(source, [*passes, DynamicInt8(name="dynamic_int8")])
    # All six matrices of each layer, or seven with a gate, and the tables.
    assert after.reports[-1].changed >= 2 * 6 + 1
    assert after.reports[-1].notes == ()
    before, now = (result(graph, tmp_path) for graph in (source.graph, after.graph))
    assert np.sqrt(((now - before) ** 2).mean() / (before**2).mean()) < 0.1


def test_every_family_has_a_task_here() -> None:
    assert TASKS.keys() == TINY.keys()


@pytest.mark.parametrize(
    ("family", "changes", "sizes"),
    [
        ("gpt2", {}, (2, 4, 8)),
        ("llama", {"num_key_value_heads": 1}, (2, 1, 8)),
        ("qwen3", {}, (2, 2, 16)),
    ],
)
def test_the_cache_of_a_decoder_is_known_from_its_config(
    tmp_path: Path, family: Family, changes: dict, sizes: tuple[int, int, int]
) -> None:
    write_tiny(tmp_path, family, **changes)
    source = load_source(tmp_path, "tiny", "completion")
    policy = CompletionPolicy(min_confidence=0.5, context_tokens=64)
    settings = completion_settings(source.config, source.tokenizer_json, policy)
    assert (settings.layers, settings.kv_heads, settings.head_dim) == sizes


@pytest.mark.parametrize(("family", "most"), [("bert", 64), ("roberta", 64), ("gpt2", 64)])
def test_as_many_positions_are_told_as_a_text_may_have(
    tmp_path: Path, family: Family, most: int
) -> None:
    write_tiny(tmp_path, family)
    source = load_source(tmp_path, "tiny", TASKS[family])
    assert source.config["max_position_embeddings"] == most


REFUSED: list[tuple[Family, dict[str, object], str]] = [
    ("qwen2", {"use_sliding_window": True}, "use_sliding_window: must be false, got true"),
    (
        "qwen3",
        {"layer_types": ["full_attention", "sliding_attention"]},
        'layer_types: must all be "full_attention", got "sliding_attention"',
    ),
    ("llama", {"rope_interleaved": True}, "rope_interleaved: must be false, got true"),
    ("qwen2", {"use_mrope": True}, "use_mrope: must be false, got true"),
    ("llama", {"final_logit_softcapping": 30.0}, "final_logit_softcapping: must be null, got 30.0"),
    ("llama", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping: must be null, got 50.0"),
    ("llama", {"hidden_act": "relu2"}, 'hidden_act: must be one of gelu, .* got "relu2"'),
    ("llama", {"quantization_config": {"bits": 4}}, "quantization_config: must be absent"),
    ("llama", {"num_key_value_heads": 3}, "num_key_value_heads: must divide"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx: must be false"),
    ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights: must be true, got false"),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention: must be false, got true"),
    ("gpt2", {"n_head": 5}, "n_head: must divide 32, got 5"),
    ("bert", {"hidden_act": "mish"}, 'hidden_act: must be one of gelu, .* got "mish"'),
    ("bert", {"is_decoder": True}, "is_decoder: must be false"),
    ("bert", {"position_embedding_type": "relative_key"}, 'must be "absolute"'),
    ("distilbert", {"activation": "mish"}, 'activation: must be one of gelu, .* got "mish"'),
    ("distilbert", {"n_heads": 5}, "n_heads: must divide hidden_size 32, got 5"),
]


@pytest.mark.parametrize(("family", "changes", "told"), REFUSED, ids=str)
def test_what_has_no_form_here_is_told_by_the_name_in_the_file(
    tmp_path: Path, family: Family, changes: dict, told: str
) -> None:
    write_tiny(tmp_path, family)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(SourceError, match=told) as caught:
        load_source(tmp_path, "tiny", TASKS[family])
    assert "\n" not in str(caught.value)


def test_qwen3_must_say_its_head_dim(tmp_path: Path) -> None:
    write_tiny(tmp_path, "qwen3")
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    del values["head_dim"]
    file.write_text(json.dumps(values))
    with pytest.raises(SourceError, match="head_dim: must be a whole number of at least 1"):
        load_source(tmp_path, "tiny", "completion")


def test_a_bias_that_config_json_does_not_know_is_a_leftover(tmp_path: Path) -> None:
    write_tiny(tmp_path, "llama", attention_bias=True)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"attention_bias": False}))
    with pytest.raises(SourceError, match="holds 8 tensors that config"):
        load_source(tmp_path, "tiny", "completion")


def test_a_tied_gpt2_may_store_its_head_again_but_not_another(tmp_path: Path) -> None:
    write_tiny(tmp_path, "gpt2")
    file = tmp_path / "model.safetensors"
    stored = load_file(file)
    stored["lm_head.weight"] = stored["transformer.wte.weight"] + 1
    save_file(stored, file)
    with pytest.raises(SourceError, match=r"must equal transformer\.wte\.weight"):
        load_source(tmp_path, "tiny", "completion")
