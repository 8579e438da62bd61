"""Writing a Llama-type decoder as GGUF version 3 with Q4_0 weights: what llama.cpp reads.

The file: magic, version, counts, then metadata, then a description of each tensor, then the data,
each tensor at a multiple of 32 bytes. Q4_0 stores blocks of 32 values along the inputs as a float16
scale d and 16 bytes of nibbles: value = d * (nibble - 8), the first 16 values in the low nibbles.
Norms are float32. The embedding table is the output head too, so the file has no other one.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extbuild.bench.random_models import DecoderSizes, Float16

_VERSION = 3
_ALIGNMENT = 32
_BLOCK = 32
_F32, _Q4_0 = 0, 2  # ggml_type
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9  # gguf_metadata_value_type
_MOSTLY_Q4_0 = 2  # llama_ftype
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # llama_token_type
FIRST_WORD = 260
"""Id of the word ``w0``; extension_src/bench/wllama.ts writes prompts with it."""
_NAMES: Mapping[str, str] = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(sizes: DecoderSizes, tensors: Iterable[tuple[str, Float16]], file: Path) -> None:
    """Write the model; ``tensors`` are named as in its safetensors."""
    described, data = bytearray(), bytearray()
    count = 0
    for name, values in tensors:
        kind = _F32 if values.ndim == 1 else _Q4_0
        stored = values.astype("<f4").tobytes() if kind == _F32 else q4_0(values)
        described += _string(gguf_name(name)) + struct.pack("<I", values.ndim)
        described += struct.pack(f"<{values.ndim}Q", *reversed(values.shape))
        described += struct.pack("<IQ", kind, len(data))
        data += stored
        data += bytes(-len(data) % _ALIGNMENT)
        count += 1
    fields = _metadata(sizes)
    head = bytearray(struct.pack("<4sIQQ", b"GGUF", _VERSION, count, len(fields)))
    for key, kind, value in fields:
        head += _string(key) + struct.pack("<I", kind) + value
    head += described
    head += bytes(-len(head) % _ALIGNMENT)
    with file.open("wb") as out:
        out.write(head)
        out.write(data)


def q4_0(values: NDArray[np.float16]) -> bytes:
    """A matrix in Q4_0: each block's value of largest magnitude becomes -8."""
    blocks = values.astype(np.float32).reshape(-1, _BLOCK)
    at = np.abs(blocks).argmax(axis=1)
    scale = (blocks[np.arange(len(blocks)), at] / -8).astype(np.float16)
    wide = scale.astype(np.float32)
    inverse = np.divide(1, wide, out=np.zeros_like(wide), where=wide != 0)
    nibbles = np.clip(np.floor(blocks * inverse[:, None] + 8.5), 0, 15).astype(np.uint8)
    half = _BLOCK // 2
    packed = nibbles[:, :half] | (nibbles[:, half:] << 4)
    return np.concatenate([scale[:, None].view(np.uint8), packed], axis=1).tobytes()


def gguf_name(name: str) -> str:
    """``model.layers.0.mlp.up_proj.weight`` -> ``blk.0.ffn_up.weight``."""
    inner = name.removeprefix("model.").removesuffix(".weight")
    if inner == "embed_tokens":
        return "token_embd.weight"
    if inner == "norm":
        return "output_norm.weight"
    _, index, part = inner.split(".", 2)
    return f"blk.{index}.{_NAMES[part]}.weight"


def _metadata(sizes: DecoderSizes) -> list[tuple[str, int, bytes]]:
    config = sizes.config()

    def whole(key: str, value: int) -> tuple[str, int, bytes]:
        return key, _UINT32, struct.pack("<I", value)

    def real(key: str, value: object) -> tuple[str, int, bytes]:
        return key, _FLOAT32, struct.pack("<f", value)

    tokens, kinds = vocabulary(sizes.vocab)
    return [
        ("general.architecture", _STRING, _string("llama")),
        ("general.name", _STRING, _string(sizes.name)),
        whole("general.file_type", _MOSTLY_Q4_0),
        whole("llama.block_count", sizes.layers),
        whole("llama.context_length", 512),
        whole("llama.embedding_length", sizes.hidden),
        whole("llama.feed_forward_length", sizes.intermediate),
        whole("llama.attention.head_count", sizes.heads),
        whole("llama.attention.head_count_kv", sizes.kv_heads),
        whole("llama.rope.dimension_count", sizes.head_dim),
        whole("llama.vocab_size", sizes.vocab),
        real("llama.attention.layer_norm_rms_epsilon", config["rms_norm_eps"]),
        real("llama.rope.freq_base", config["rope_theta"]),
        ("tokenizer.ggml.model", _STRING, _string("llama")),
        ("tokenizer.ggml.tokens", _ARRAY, _array(_STRING, map(_string, tokens), len(tokens))),
        (
            "tokenizer.ggml.scores",
            _ARRAY,
            _array(
                _FLOAT32, [struct.pack("<f", -index) for index in range(len(tokens))], len(tokens)
            ),
        ),
        (
            "tokenizer.ggml.token_type",
            _ARRAY,
            _array(_INT32, [struct.pack("<i", kind) for kind in kinds], len(kinds)),
        ),
        whole("tokenizer.ggml.unknown_token_id", 0),
        whole("tokenizer.ggml.bos_token_id", 1),
        whole("tokenizer.ggml.eos_token_id", 2),
        ("tokenizer.ggml.add_bos_token", _BOOL, b"\0"),
    ]


def vocabulary(size: int) -> tuple[Sequence[str], Sequence[int]]:
    """``size`` tokens of a SentencePiece vocabulary and their kinds; llama.cpp wants all bytes.

    Token ``FIRST_WORD + n`` is the word ``w<n>``. Every beginning of such a word is a token too, so
    that merging letter by letter, which is how llama.cpp reads, ends with the whole word.
    """
    special = ["<unk>", "<s>", "</s>"]
    single = [f"<0x{byte:02X}>" for byte in range(256)]
    words = ["▁w", *(f"▁w{index}" for index in range(size - FIRST_WORD))]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL] + [_BYTE] * len(single) + [_NORMAL] * len(words)
    return [*special, *single, *words], kinds


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _array(kind: int, items: Iterable[bytes], count: int) -> bytes:
    return struct.pack("<IQ", kind, count) + b"".join(items)
