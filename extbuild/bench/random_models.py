"""Models of well-known shapes with random weights, as whole Hugging Face directories.

Time and memory depend on sizes and formats, not on what the weights say, so any seeded weights do.
They stay small enough that no layer overflows. The tokenizer has a few tokens only, for nobody asks
it: prompts are token ids.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

from extbuild.artifacts import Task

Float16 = NDArray[np.float16]
TensorShapes = Iterator[tuple[str, tuple[int, ...]]]
_DEVIATION = 0.02
_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<|endoftext|>")
_MAX_POSITIONS = 512
_LABELS = 6


@dataclass(frozen=True, slots=True)
class DecoderSizes:
    """A Llama-type decoder with tied embeddings, in config.json's terms."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int

    task: Task = "completion"

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads

    @property
    def params(self) -> int:
        """Number of weights."""
        return sum(prod(shape) for _, shape in self.tensors())

    def tensors(self) -> TensorShapes:
        """Names and shapes as in the family's checkpoints."""
        hidden, inner, kv = self.hidden, self.intermediate, self.kv_heads * self.head_dim
        yield "model.embed_tokens.weight", (self.vocab, hidden)
        for index in range(self.layers):
            layer = f"model.layers.{index}"
            yield f"{layer}.input_layernorm.weight", (hidden,)
            yield f"{layer}.post_attention_layernorm.weight", (hidden,)
            yield f"{layer}.self_attn.q_proj.weight", (hidden, hidden)
            yield f"{layer}.self_attn.k_proj.weight", (kv, hidden)
            yield f"{layer}.self_attn.v_proj.weight", (kv, hidden)
            yield f"{layer}.self_attn.o_proj.weight", (hidden, hidden)
            yield f"{layer}.mlp.gate_proj.weight", (inner, hidden)
            yield f"{layer}.mlp.up_proj.weight", (inner, hidden)
            yield f"{layer}.mlp.down_proj.weight", (hidden, inner)
        yield "model.norm.weight", (hidden,)

    def matrices(self) -> list[tuple[int, int]]:
        """Rows and columns of every product of one decoding step, the output head included."""
        return [(shape[0], shape[1]) for _, shape in self.tensors() if len(shape) == 2]

    def config(self) -> dict[str, object]:
        """config.json."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.intermediate,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "max_position_embeddings": _MAX_POSITIONS,
            "tie_word_embeddings": True,
            "hidden_act": "silu",
            "bos_token_id": 4,
            "eos_token_id": 4,
        }


@dataclass(frozen=True, slots=True)
class EncoderSizes:
    """A BERT classifier, in config.json's terms."""

    name: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocab: int

    task: Task = "moderation"

    @property
    def params(self) -> int:
        """Number of weights."""
        return sum(prod(shape) for _, shape in self.tensors())

    def tensors(self) -> TensorShapes:
        """Names and shapes as in the family's checkpoints."""
        hidden, inner = self.hidden, self.intermediate
        yield "bert.embeddings.word_embeddings.weight", (self.vocab, hidden)
        yield "bert.embeddings.position_embeddings.weight", (_MAX_POSITIONS, hidden)
        yield "bert.embeddings.token_type_embeddings.weight", (2, hidden)
        yield from _pair("bert.embeddings.LayerNorm", (hidden,), hidden)
        for index in range(self.layers):
            layer = f"bert.encoder.layer.{index}"
            for part in ("self.query", "self.key", "self.value", "output.dense"):
                yield from _pair(f"{layer}.attention.{part}", (hidden, hidden), hidden)
            yield from _pair(f"{layer}.attention.output.LayerNorm", (hidden,), hidden)
            yield from _pair(f"{layer}.intermediate.dense", (inner, hidden), inner)
            yield from _pair(f"{layer}.output.dense", (hidden, inner), hidden)
            yield from _pair(f"{layer}.output.LayerNorm", (hidden,), hidden)
        yield from _pair("bert.pooler.dense", (hidden, hidden), hidden)
        yield from _pair("classifier", (_LABELS, hidden), _LABELS)

    def config(self) -> dict[str, object]:
        """config.json."""
        return {
            "architectures": ["BertForSequenceClassification"],
            "model_type": "bert",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": _MAX_POSITIONS,
            "type_vocab_size": 2,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "pad_token_id": 0,
            "problem_type": "multi_label_classification",
            "id2label": {str(index): f"label {index}" for index in range(_LABELS)},
        }


Sizes = DecoderSizes | EncoderSizes


def write_random_model(sizes: Sizes, directory: Path, seed: int = 0) -> None:
    """Write config.json, tokenizer.json and model.safetensors (float16)."""
    directory.mkdir(parents=True, exist_ok=True)
    padding = {"extbuild": {"padding_rows": sizes.vocab - len(_SPECIALS)}}
    config = json.dumps({**sizes.config(), **padding}, indent=2)
    (directory / "config.json").write_text(f"{config}\n", encoding="utf-8")
    vocabulary = {token: index for index, token in enumerate(_SPECIALS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    save_file(dict(random_tensors(sizes, seed)), directory / "model.safetensors")


def random_tensors(sizes: Sizes, seed: int = 0) -> Iterator[tuple[str, Float16]]:
    """The weights; norms are about 1, everything else about 0."""
    draw = np.random.default_rng(seed)
    for name, shape in sizes.tensors():
        values = draw.standard_normal(shape, dtype=np.float32) * np.float32(_DEVIATION)
        is_norm = name.endswith("norm.weight") or name.endswith("LayerNorm.weight")
        yield name, (values + np.float32(is_norm)).astype(np.float16)


def _pair(name: str, shape: tuple[int, ...], outputs: int) -> TensorShapes:
    yield f"{name}.weight", shape
    yield f"{name}.bias", (outputs,)


SMOLLM2_135M = DecoderSizes("SmolLM2-135M", 576, 30, 9, 3, 1536, 49_152)
MINILM_L6 = EncoderSizes("MiniLM-L6", 384, 6, 12, 1536, 30_522)
# For cost against size, small to large; the third is SMOLLM2_135M's smaller sister in shape only.
SWEEP = (
    DecoderSizes("5M", 128, 6, 4, 2, 384, 32_768),
    DecoderSizes("15M", 256, 8, 4, 2, 704, 32_768),
    DecoderSizes("45M", 448, 10, 7, 7, 1216, 49_152),
    SMOLLM2_135M,
    DecoderSizes("360M", 960, 32, 15, 5, 2560, 49_152),
)
