"""Rows, tokenizer and batches for the moderation model."""

from __future__ import annotations

import json
import lzma
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extbuild.errors import DataError
from extbuild.train.augment import AugmentShares, augmented
from extbuild.train.batches import cut, length_batches, padded_length
from extbuild.train.documents import document_files
from extbuild.train.manifest import compact_json
from extbuild.train.rows import Row, Split, by_split, read_rows
from extbuild.train.sentences import own_rows
from extbuild.train.wordpiece import (
    frequent_symbols,
    kept_tokens,
    symbol_tokens,
    trimmed_tokenizer,
)

CHUNK_ROWS = 8192
"""Rows that are augmented, encoded and bucketed at a time."""

CHUNK_STRIDE = 1_000_000
"""A place in the stream is chunk * CHUNK_STRIDE + batch within the chunk."""

EVERYDAY_BYTES = 2_000_000
"""Everyday text read per completion file when tokens are counted."""

EVERYDAY_SHARE = 0.5
SYMBOL_USES = 10
"""Uses in the training texts that earn a symbol its own token."""

RARE_LABELS = ("threat", "severe_toxic")

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """ids and mask (rows, seq); targets and weights (rows, labels)."""

    ids: Ids
    mask: Ids
    targets: Floats
    weights: Floats


def moderation_file(folder: Path) -> Path:
    """Where the labelled rows lie in a data folder."""
    return folder / "moderation.jsonl.xz"


def load_splits(folder: Path, seed: int) -> dict[Split, list[Row]]:
    """Rows per split; the project's own sentences join the training rows only."""
    path = moderation_file(folder)
    splits = by_split(read_rows(path))
    for name, rows in splits.items():
        if not rows:
            raise DataError(
                str(path),
                f"must hold enough rows for a {name} split",
                found="none",
                do="copy the file again, or add rows",
            )
    rare = [row for row in splits["train"] if any(row.is_positive(name) for name in RARE_LABELS)]
    splits["train"] += rare + own_rows(seed)
    return splits


def everyday_texts(folder: Path) -> Iterator[str]:
    """The beginning of each completion file, line by line."""
    for path in document_files(folder):
        with lzma.open(path, "rt", encoding="utf-8") as stream:
            yield from stream.read(EVERYDAY_BYTES).split("\n")


def read_tokenizer_json(path: Path) -> dict[str, Any]:
    """The content of a `tokenizer.json`; raises DataError when it is no WordPiece tokenizer."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            str(path), "the pretrained tokenizer is missing", do="pip install extbuild[train]"
        ) from error
    kind = content.get("model", {}).get("type")
    if kind != "WordPiece":
        raise DataError(f"{path}: model.type", "must be WordPiece", found=repr(kind))
    return content


def full_tokenizer(original: dict[str, Any]) -> Tokenizer:
    """The pretrained tokenizer without its padding and truncation."""
    full = Tokenizer.from_str(json.dumps(original))
    full.no_truncation()
    full.no_padding()
    return full


def small_tokenizer(
    original: dict[str, Any], rows: Sequence[Row], everyday: Iterator[str], size: int
) -> dict[str, Any]:
    """The tokenizer cut to the `size` tokens that this data needs most."""
    full = full_tokenizer(original)
    counts: defaultdict[str, float] = defaultdict(float)
    kinds = (([row.text for row in rows], 1.0), (list(everyday), EVERYDAY_SHARE))
    for texts, share in kinds:
        for at in range(0, len(texts), CHUNK_ROWS):
            for encoding in full.encode_batch(
                texts[at : at + CHUNK_ROWS], add_special_tokens=False
            ):
                for token in encoding.tokens:
                    counts[token] += share
    vocabulary = original["model"]["vocab"]
    symbols = symbol_tokens(frequent_symbols((row.text for row in rows), vocabulary, SYMBOL_USES))
    return trimmed_tokenizer(
        original, kept_tokens(vocabulary, counts, size - len(symbols)) + symbols
    )


def load_small_tokenizer(
    path: Path, original: dict[str, Any], rows: Sequence[Row], folder: Path, size: int
) -> Tokenizer:
    """The cut tokenizer from `path`, made there first when it is not yet."""
    if not path.is_file():
        content = small_tokenizer(original, rows, everyday_texts(folder), size)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(compact_json(content), encoding="utf-8")
    return Tokenizer.from_file(str(path))


def make_batch(rows: Sequence[Row], encoded: Sequence[list[int]]) -> Batch:
    """Rows padded with id 0 to one length."""
    width = padded_length(max(len(ids) for ids in encoded))
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for at, sequence in enumerate(encoded):
        ids[at, : len(sequence)] = sequence
        mask[at, : len(sequence)] = 1
    targets = np.array([row.targets for row in rows], dtype=np.float32)
    weights = np.array([row.weights for row in rows], dtype=np.float32)
    return Batch(ids, mask, targets, weights)


def plain_batches(
    rows: Sequence[Row], tokenizer: Tokenizer, max_tokens: int, limit: int
) -> Iterator[tuple[list[int], Batch]]:
    """All rows once, unchanged, with their indices; for evaluation."""
    encoded = [
        cut(encoding.ids, limit) for encoding in tokenizer.encode_batch([row.text for row in rows])
    ]
    for chosen in length_batches([len(ids) for ids in encoded], max_tokens):
        yield chosen, make_batch([rows[at] for at in chosen], [encoded[at] for at in chosen])


def training_batches(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    shares: AugmentShares,
    max_tokens: int,
    limit: int,
    seed: int,
    position: int,
) -> Iterator[tuple[int, Batch]]:
    """Endless augmented batches from `position` on, each with the position after it.

    Order and variants depend on `seed` and the place alone, so a resumed run goes on exactly.
    """
    chunks = -(-len(rows) // CHUNK_ROWS)
    chunk, done = divmod(position, CHUNK_STRIDE)
    while True:
        epoch, part = divmod(chunk, chunks)
        order = np.random.default_rng((seed, epoch)).permutation(len(rows))
        chosen = [rows[at] for at in order[part * CHUNK_ROWS : (part + 1) * CHUNK_ROWS]]
        random = Random(seed * 1_000_003 + chunk)
        texts = [augmented(row.text, max(row.targets) >= 0.5, random, shares) for row in chosen]
        encoded = [cut(encoding.ids, limit, random) for encoding in tokenizer.encode_batch(texts)]
        batches = length_batches([len(ids) for ids in encoded], max_tokens, random)
        for number, at in enumerate(batches[done:], done + 1):
            yield (
                chunk * CHUNK_STRIDE + number,
                make_batch([chosen[i] for i in at], [encoded[i] for i in at]),
            )
        chunk, done = chunk + 1, 0
