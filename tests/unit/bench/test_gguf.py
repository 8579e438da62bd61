import struct
from pathlib import Path

import numpy as np
import pytest

from extbuild.bench.gguf import FIRST_WORD, gguf_name, q4_0, vocabulary, write_gguf
from extbuild.bench.random_models import DecoderSizes, random_tensors

TINY = DecoderSizes("tiny", 64, 2, 4, 2, 128, 512)


def _dequantized(data: bytes, count: int) -> np.ndarray:
    blocks = np.frombuffer(data, np.uint8).reshape(count // 32, 18)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return ((nibbles - 8) * scales).reshape(-1)


def test_q4_0_is_within_a_step_of_each_value() -> None:
    values = np.random.default_rng(0).standard_normal((8, 64)).astype(np.float16)
    restored = _dequantized(q4_0(values), values.size).reshape(8, 2, 32)
    blocks = values.astype(np.float32).reshape(8, 2, 32)
    step = np.abs(blocks).max(axis=2, keepdims=True) / 8
    assert (np.abs(restored - blocks) <= 1.01 * step).all()


def test_a_block_of_zeros_stays_zero() -> None:
    assert not _dequantized(q4_0(np.zeros((1, 32), np.float16)), 32).any()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("model.layers.7.self_attn.o_proj.weight", "blk.7.attn_output.weight"),
        ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"),
    ],
)
def test_tensors_have_the_names_that_llama_cpp_looks_for(name: str, theirs: str) -> None:
    assert gguf_name(name) == theirs


def test_every_beginning_of_a_word_is_a_token_so_that_merging_finds_the_word() -> None:
    tokens, kinds = vocabulary(1500)
    assert len(tokens) == len(kinds) == len(set(tokens)) == 1500
    assert tokens[FIRST_WORD + 123] == "▁w123"
    beginnings = {token[:end] for token in tokens[FIRST_WORD:] for end in range(2, len(token))}
    assert beginnings <= set(tokens)


def test_the_file_begins_as_described_and_ends_with_its_last_tensor(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    tensors = dict(random_tensors(TINY))
    write_gguf(TINY, tensors.items(), file)
    data = file.read_bytes()
    magic, version, count, _ = struct.unpack("<4sIQQ", data[:24])
    assert (magic, version, count) == (b"GGUF", 3, len(tensors))
    last = tensors["model.norm.weight"].astype("<f4").tobytes()
    assert data.rstrip(b"\0").endswith(last.rstrip(b"\0"))
    assert len(data) % 32 == 0
