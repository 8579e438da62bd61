"""Token streams for the completion model, made once and kept in the work folder."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from extbuild.train.byte_pairs import END_OF_TEXT_ID, trained_tokenizer
from extbuild.train.documents import (
    DocumentSplit,
    document_files,
    document_split,
    read_documents,
    repeats_of,
    source_name,
)
from extbuild.train.manifest import data_file, write_manifest
from extbuild.train.pack import Ids, packed

BPE_SAMPLE_BYTES = 30_000_000
ENCODE_DOCUMENTS = 2000
CACHE_VERSION = 1
"""To be raised whenever reading, weighting or splitting changes."""


@dataclass(frozen=True)
class CompletionData:
    """Tokenizer and uint16 streams; `bytes` are the UTF-8 bytes behind each stream."""

    tokenizer: Tokenizer
    streams: dict[DocumentSplit, Ids]
    bytes: dict[DocumentSplit, int]


def documents_by_split(
    folder: Path, seed: int
) -> tuple[dict[DocumentSplit, list[str]], Counter[str]]:
    """Shuffled documents per split (training ones repeated by weight), and counts per source."""
    splits: dict[DocumentSplit, list[str]] = {"train": [], "validation": [], "test": []}
    counts: Counter[str] = Counter()
    for path in document_files(folder):
        source = source_name(path)
        for document in read_documents(path):
            counts[source] += 1
            split = document_split(document)
            splits[split] += [document] * (repeats_of(source, document) if split == "train" else 1)
    for documents in splits.values():
        random.Random(seed).shuffle(documents)
    return splits, counts


def _sample(documents: list[str], max_bytes: int) -> Iterator[str]:
    total = 0
    for document in documents:
        total += len(document)
        if total > max_bytes:
            return
        yield document


def _encoded(tokenizer: Tokenizer, documents: list[str]) -> Iterator[list[int]]:
    for at in range(0, len(documents), ENCODE_DOCUMENTS):
        for encoding in tokenizer.encode_batch_fast(documents[at : at + ENCODE_DOCUMENTS]):
            yield encoding.ids


def load_completion_data(folder: Path, work: Path, vocab_size: int, seed: int) -> CompletionData:
    """The streams for `folder`, from the cache in `work` when data and settings are unchanged."""
    files = [data_file(path) for path in document_files(folder)]
    settings = repr((CACHE_VERSION, files, vocab_size, seed)).encode()
    cache = work / f"tokens-{sha256(settings).hexdigest()[:16]}"
    splits: tuple[DocumentSplit, ...] = ("train", "validation", "test")
    if not (cache / "bytes.json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        documents, counts = documents_by_split(folder, seed)
        tokenizer = trained_tokenizer(_sample(documents["train"], BPE_SAMPLE_BYTES), vocab_size)
        tokenizer.save(str(cache / "tokenizer.json"), pretty=False)
        for split in splits:
            stream = packed(_encoded(tokenizer, documents[split]), END_OF_TEXT_ID)
            np.save(cache / f"{split}.npy", stream)
        sizes = {split: sum(len(text.encode()) for text in documents[split]) for split in splits}
        write_manifest(cache / "manifest.json", files, {"documents": dict(counts), "bytes": sizes})
        (cache / "bytes.json").write_text(json.dumps(sizes), encoding="utf-8")
    return CompletionData(
        tokenizer=Tokenizer.from_file(str(cache / "tokenizer.json")),
        streams={split: np.load(cache / f"{split}.npy", mmap_mode="r") for split in splits},
        bytes=json.loads((cache / "bytes.json").read_text(encoding="utf-8")),
    )
