"""The graphs made from safetensors compute what the papers say."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from extbuild.ort import Session
from extbuild.source.huggingface import FAMILIES
from extbuild.source.load import load_source
from extbuild.source.synthetic import Family, write_tiny
from extbuild.source.synthetic_families import TINY
from tests.unit.source import reference_decoders, reference_encoders
from tests.unit.source.reference import Config, Floats, Weights

IDS = [2, 40, 57, 90, 41, 3, 77, 12, 64]
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 100,
}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256, "beta_fast": 4}

Reference = Callable[[Config, Weights, list[int]], Floats]
ENCODERS: list[tuple[Family, dict[str, object], Reference]] = [
    ("bert", {}, reference_encoders.bert),
    ("bert", {"hidden_act": "gelu_new", "type_vocab_size": 1}, reference_encoders.bert),
    ("bert", {"hidden_act": "relu"}, reference_encoders.bert),
    ("roberta", {}, reference_encoders.roberta),
    ("distilbert", {}, reference_encoders.distilbert),
    ("distilbert", {"activation": "relu", "n_layers": 1}, reference_encoders.distilbert),
]
DECODERS: list[tuple[Family, dict[str, object], Reference]] = [
    ("llama", {}, reference_decoders.llama),
    ("llama", {"num_key_value_heads": 4}, reference_decoders.llama),
    ("llama", {"num_key_value_heads": 1}, reference_decoders.llama),
    ("llama", {"tie_word_embeddings": False}, reference_decoders.llama),
    ("llama", {"attention_bias": True, "mlp_bias": True}, reference_decoders.llama),
    ("llama", {"rope_theta": 100000.0, "hidden_act": "gelu_new"}, reference_decoders.llama),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 2.5}}, reference_decoders.llama),
    ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, reference_decoders.llama),
    ("llama", {"rope_scaling": LLAMA3}, reference_decoders.llama),
    ("llama", {"rope_scaling": YARN, "head_dim": 16}, reference_decoders.llama),
    ("llama", {"rope_scaling": {**YARN, "attention_factor": 1.5}}, reference_decoders.llama),
    ("llama", {"partial_rotary_factor": 0.5}, reference_decoders.llama),
    (
        "llama",
        {
            "rope_theta": None,
            "rope_parameters": {**YARN, "rope_theta": 5e4, "partial_rotary_factor": 0.5},
            "head_dim": 16,
        },
        reference_decoders.llama,
    ),
    ("qwen2", {"use_sliding_window": False, "sliding_window": 4096}, reference_decoders.llama),
    ("qwen2", {"tie_word_embeddings": False}, reference_decoders.llama),
    ("qwen3", {}, reference_decoders.llama),
    ("qwen3", {"attention_bias": True, "num_key_value_heads": 4}, reference_decoders.llama),
    ("gpt2", {}, reference_decoders.gpt2),
    ("gpt2", {"n_inner": 48, "tie_word_embeddings": False}, reference_decoders.gpt2),
]


def weights_of(directory: Path) -> dict[str, NDArray[np.float64]]:
    stored = load_file(directory / "model.safetensors")
    return {name: value.astype(np.float64) for name, value in stored.items()}


def config_of(directory: Path) -> Config:
    return json.loads((directory / "config.json").read_text())


def session_of(directory: Path, family: Family) -> Session:
    architecture = config_of(directory)["architectures"][0]
    source = load_source(directory, "tiny", FAMILIES[architecture][0])
    return Session(ir.to_proto(source.graph).SerializeToString())


def encode(session: Session, rows: list[list[int]]) -> NDArray[np.float32]:
    """Rows padded with the id 7 and masked."""
    longest = max(len(row) for row in rows)
    padded = [row + [7] * (longest - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return session.run({"input_ids": np.asarray(padded), "attention_mask": np.asarray(mask)})[0]


def empty_cache(config: Config) -> dict[str, NDArray[np.float32]]:
    heads = config.get("num_attention_heads") or config["n_head"]
    head_dim = config.get("head_dim") or config["n_embd"] // heads
    kv_heads = config.get("num_key_value_heads") or heads
    return {
        f"past_key_values.{layer}.{kind}": np.zeros((1, kv_heads, 0, head_dim), np.float32)
        for layer in range(2)
        for kind in ("key", "value")
    }


def decode(
    session: Session,
    ids: list[int],
    cache: Mapping[str, NDArray[np.float32]],
    wanted: list[int] | None = None,
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Logits ``(wanted, vocab)``, of every position unless told, and the cache behind them."""
    past = next(iter(cache.values())).shape[2]
    feeds = {
        "input_ids": np.asarray([ids]),
        "position_ids": np.arange(past, past + len(ids))[None],
        "logits_index": np.asarray(range(len(ids)) if wanted is None else wanted),
        **cache,
    }
    outputs = session.run(feeds)
    return outputs[0][0], dict(zip(cache, outputs[1:], strict=True))


@pytest.mark.parametrize(("family", "changes", "reference"), ENCODERS, ids=str)
def test_a_classifier_gives_the_logits_of_the_reference(
    tmp_path: Path, family: Family, changes: dict, reference: Reference
) -> None:
    write_tiny(tmp_path, family, **changes)
    expected = reference(config_of(tmp_path), weights_of(tmp_path), IDS)
    assert encode(session_of(tmp_path, family), [IDS])[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "bert-embedding"])
def test_padding_changes_no_result(tmp_path: Path, family: Family) -> None:
    write_tiny(tmp_path, family)
    session = session_of(tmp_path, family)
    together = encode(session, [IDS, IDS[:4]])
    assert together[:1] == pytest.approx(encode(session, [IDS]), abs=1e-6)
    assert together[1:] == pytest.approx(encode(session, [IDS[:4]]), abs=1e-6)


@pytest.mark.parametrize(("family", "changes", "reference"), DECODERS, ids=str)
def test_a_decoder_gives_the_logits_of_the_reference(
    tmp_path: Path, family: Family, changes: dict, reference: Reference
) -> None:
    write_tiny(tmp_path, family, **changes)
    config = config_of(tmp_path)
    expected = reference(config, weights_of(tmp_path), IDS)
    found, _ = decode(session_of(tmp_path, family), IDS, empty_cache(config))
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("family", "changes", "reference"), DECODERS, ids=str)
def test_token_by_token_gives_what_the_whole_text_gives(
    tmp_path: Path, family: Family, changes: dict, reference: Reference
) -> None:
    write_tiny(tmp_path, family, **changes)
    session, cache = session_of(tmp_path, family), empty_cache(config_of(tmp_path))
    whole, filled = decode(session, IDS, cache)
    for index, token in enumerate(IDS):
        logits, cache = decode(session, [token], cache)
        assert logits[0] == pytest.approx(whole[index], abs=1e-4)
    for name, value in cache.items():
        assert value == pytest.approx(filled[name], abs=1e-4)


@pytest.mark.parametrize("cut", [1, 3, 8])
def test_a_cache_continues_where_the_text_was_cut(tmp_path: Path, cut: int) -> None:
    write_tiny(tmp_path, "llama")
    session, cache = session_of(tmp_path, "llama"), empty_cache(config_of(tmp_path))
    whole, _ = decode(session, IDS, cache)
    _, cache = decode(session, IDS[:cut], cache)
    rest, cache = decode(session, IDS[cut:], cache)
    assert rest == pytest.approx(whole[cut:], abs=1e-5)
    assert cache["past_key_values.0.key"].shape == (1, 2, len(IDS), 8)


def test_logits_are_made_for_the_wanted_positions_only(tmp_path: Path) -> None:
    write_tiny(tmp_path, "llama")
    session, cache = session_of(tmp_path, "llama"), empty_cache(config_of(tmp_path))
    every, _ = decode(session, IDS, cache)
    some, _ = decode(session, IDS, cache, [4, 1])
    assert some == pytest.approx(every[[4, 1]], abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": {"type": "linear", "factor": 2.5}},
        {"rope_scaling": LLAMA3},
        {"rope_scaling": YARN},
        {"rope_scaling": {**YARN, "attention_factor": 1.5}},
        {"partial_rotary_factor": 0.5},
        {"rope_theta": 100.0},
    ],
    ids=str,
)
def test_what_config_json_says_of_positions_shows_in_the_logits(
    tmp_path: Path, changes: dict
) -> None:
    logits = []
    for name, some in (("plain", {}), ("changed", changes)):
        write_tiny(tmp_path / name, "llama", **some)
        cache = empty_cache(config_of(tmp_path / name))
        logits.append(decode(session_of(tmp_path / name, "llama"), IDS, cache)[0])
    assert np.abs(logits[0] - logits[1]).max() > 2e-3


@pytest.mark.parametrize("prefix", ["transformer.", ""])
def test_gpt2_is_read_with_and_without_the_prefix_and_with_its_buffers(
    tmp_path: Path, prefix: str
) -> None:
    write_tiny(tmp_path, "gpt2")
    stored = load_file(tmp_path / "model.safetensors")
    named = {f"{prefix}{name.removeprefix('transformer.')}": stored[name] for name in stored}
    named[f"{prefix}h.0.attn.bias"] = np.tril(np.ones((1, 1, 64, 64), np.float32))
    named[f"{prefix}h.0.attn.masked_bias"] = np.asarray(-1e4, np.float32)
    named["lm_head.weight"] = stored["transformer.wte.weight"]
    save_file(named, tmp_path / "model.safetensors")
    config = config_of(tmp_path)
    expected = reference_decoders.gpt2(config, weights_of(tmp_path), IDS)
    found, _ = decode(session_of(tmp_path, "gpt2"), IDS, empty_cache(config))
    assert found == pytest.approx(expected, abs=1e-4)
    params = load_source(tmp_path, "tiny", "completion").params
    assert params == sum(value.size for value in stored.values())


def test_every_family_has_a_tiny_model() -> None:
    written = {tiny.config["architectures"][0] for tiny in TINY.values()}
    assert written == set(FAMILIES)
