"""Seeded tiny models, written as whole Hugging Face directories: what tests and trials build from.

Same architectures, file names and tensor names as real models, only small; the tokenizers are
trained here on a text of our own. Two calls with one seed write the same bytes.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from extbuild.artifacts import Task
from extbuild.source.synthetic_families import LABELS, TINY, Config, Family
from extbuild.source.synthetic_tokenizers import TEXT, byte_bpe, wordpiece

__all__ = [
    "LABELS",
    "Family",
    "write_tiny",
    "write_tiny_completion",
    "write_tiny_fixtures",
    "write_tiny_moderation",
]


def write_tiny_moderation(directory: Path, seed: int = 0) -> None:
    """A 2-layer BERT classifier with six labels and a WordPiece tokenizer, under 200 KB."""
    write_tiny(directory, "bert", seed)


def write_tiny_completion(directory: Path, seed: int = 0) -> None:
    """A 2-layer Llama decoder, tied embeddings, grouped queries, byte-level BPE; under 200 KB."""
    write_tiny(directory, "llama", seed)


def write_tiny(directory: Path, family: Family, seed: int = 0, **changes: object) -> None:
    """A 2-layer model of a family; ``changes`` are keys of config.json that the tensors follow.

    For instance ``write_tiny(folder, "llama", num_key_value_heads=4, tie_word_embeddings=False)``.
    A key changed to ``None`` is left out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tiny = TINY[family]
    tokenizer = wordpiece() if tiny.tokenizer == "wordpiece" else byte_bpe()
    config: Config = {**tiny.config, "vocab_size": tokenizer.get_vocab_size(), **changes}
    if tiny.tokenizer == "wordpiece" and config.get("pad_token_id") == 0:
        config["pad_token_id"] = tokenizer.token_to_id("[PAD]")
    config = {key: value for key, value in config.items() if value is not None}
    rng = np.random.default_rng(seed)
    weights = {
        name: _normal(rng, *shape) + (1 if around_one else 0)
        for name, (shape, around_one) in tiny.tensors(config).items()
    }
    for file, content in tiny.files.items():
        (directory / file).parent.mkdir(exist_ok=True)
        (directory / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _write(directory, config, tokenizer, weights)


def write_tiny_fixtures(file: Path, task: Task) -> None:
    """An ``eval.jsonl`` in the form that ``inv eval`` reads, made of the built-in text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = [{"text": text} for text in TEXT]
    if task == "moderation":
        for index, row in enumerate(rows):
            rude = index in (4, 5, 8)
            row["labels"] = {
                label: int(rude and (label != "threat" or index == 8)) for label in LABELS
            }
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return (0.2 * rng.standard_normal(shape)).astype(np.float32)


def _write(
    directory: Path,
    config: Config,
    tokenizer: Tokenizer,
    weights: dict[str, NDArray[np.float32]],
) -> None:
    text = json.dumps(config, indent=2) + "\n"
    (directory / "config.json").write_text(text, encoding="utf-8")
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    stored = {name: value.astype(np.float16) for name, value in sorted(weights.items())}
    save_file(stored, directory / "model.safetensors")
