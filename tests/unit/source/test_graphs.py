"""The graphs made from safetensors compute what the papers say."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from extbuild.ort import Session
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny_completion, write_tiny_moderation
from tests.unit.source.reference import bert_logits, llama_logits

IDS = [2, 40, 57, 90, 41, 3]


def weights_of(directory: Path) -> dict[str, NDArray[np.float64]]:
    stored = load_file(directory / "model.safetensors")
    return {name: value.astype(np.float64) for name, value in stored.items()}


def session_of(directory: Path, task: str) -> Session:
    source = load_source(directory, "tiny", task)
    return Session(ir.to_proto(source.graph).SerializeToString())


def empty_cache() -> dict[str, NDArray[np.float32]]:
    return {
        f"past_key_values.{layer}.{kind}": np.zeros((1, 2, 0, 8), np.float32)
        for layer in range(2)
        for kind in ("key", "value")
    }


def decoder_feeds(ids: list[int], past: int, wanted: list[int], cache: dict) -> dict:
    return {
        "input_ids": np.asarray([ids]),
        "position_ids": np.arange(past, past + len(ids))[None],
        "logits_index": np.asarray(wanted),
        **cache,
    }


def test_an_encoder_gives_the_logits_of_the_reference(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    feeds = {"input_ids": np.asarray([IDS]), "attention_mask": np.ones((1, len(IDS)), np.int64)}
    expected = bert_logits(weights_of(tmp_path), IDS, layers=2, heads=4)
    assert session_of(tmp_path, "moderation").run(feeds)[0][0] == pytest.approx(expected, abs=2e-5)


def test_padding_changes_no_logit(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    session = session_of(tmp_path, "moderation")
    alone = {"input_ids": np.asarray([IDS]), "attention_mask": np.ones((1, len(IDS)), np.int64)}
    padded = {
        "input_ids": np.asarray([[*IDS, 7, 9]]),
        "attention_mask": np.asarray([[1] * len(IDS) + [0, 0]]),
    }
    assert session.run(padded)[0] == pytest.approx(session.run(alone)[0], abs=1e-6)


def test_a_decoder_gives_the_logits_of_the_reference(tmp_path: Path) -> None:
    write_tiny_completion(tmp_path)
    feeds = decoder_feeds(IDS, 0, list(range(len(IDS))), empty_cache())
    expected = llama_logits(
        weights_of(tmp_path), IDS, layers=2, heads=4, kv_heads=2, theta=10000.0, eps=1e-5
    )
    assert session_of(tmp_path, "completion").run(feeds)[0][0] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_cache_continues_where_the_text_was_cut(tmp_path: Path, cut: int) -> None:
    write_tiny_completion(tmp_path)
    session = session_of(tmp_path, "completion")
    whole = session.run(decoder_feeds(IDS, 0, [len(IDS) - 1], empty_cache()))
    first = session.run(decoder_feeds(IDS[:cut], 0, [0], empty_cache()))
    cache = dict(zip(empty_cache(), first[1:], strict=True))
    rest = IDS[cut:]
    second = session.run(decoder_feeds(rest, cut, [len(rest) - 1], cache))
    assert second[0] == pytest.approx(whole[0], abs=1e-5)
    assert second[1].shape == (1, 2, len(IDS), 8)


def test_logits_are_made_for_the_wanted_positions_only(tmp_path: Path) -> None:
    write_tiny_completion(tmp_path)
    session = session_of(tmp_path, "completion")
    every = session.run(decoder_feeds(IDS, 0, list(range(len(IDS))), empty_cache()))[0]
    some = session.run(decoder_feeds(IDS, 0, [4, 1], empty_cache()))[0]
    assert some == pytest.approx(every[:, [4, 1]], abs=1e-5)
