"""Documents for the completion model: reading, dropping masked sentences, weights, splitting."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from extbuild.errors import DataError

SEPARATOR = "\x1e"
"""A line that holds only U+001E stands between two documents."""

DocumentSplit = Literal["train", "validation", "test"]

MASK = re.compile(r"<(?:url|email|phone|num)>|@user\b")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")

REPEATS = {
    "completion_dlg_sgd": 1.0,
    "completion_dlg_star": 1.0,
    "completion_dlg_taskmaster4": 1.5,
    "completion_dlg_multidogo": 2.0,
    "completion_dlg_topicalchat": 2.0,
    "completion_prompts": 2.0,
    "completion_qmsum": 1.0,
    "completion_irc_ubuntu": 0.5,
    "completion_prose_docs": 0.5,
    "completion_stackexchange": 0.8,
}
"""How often a document of a source is read per pass; 1 where not listed. Everyday talk counts
more, technical prose less, because the model completes mails, messages and comments."""


def without_masks(document: str) -> str:
    """The document without the sentences that hold a privacy mask.

    A mask is not ordinary text, so a model must not learn to suggest one. Lines that lose all
    their sentences go as well.
    """
    if MASK.search(document) is None:
        return document
    lines = []
    for line in document.split("\n"):
        if MASK.search(line) is None:
            lines.append(line)
            continue
        kept = [part for part in SENTENCE_END.split(line) if MASK.search(part) is None]
        if kept:
            lines.append(" ".join(kept))
    return "\n".join(lines).strip()


def split_documents(text: str) -> Iterator[str]:
    """The documents of a file's text, stripped, empty ones left out."""
    for part in re.split(rf"^{SEPARATOR}$", text, flags=re.MULTILINE):
        document = part.strip()
        if document:
            yield document


def document_split(document: str) -> DocumentSplit:
    """1 % test, 0.5 % validation, by a hash of the text alone."""
    bucket = int.from_bytes(blake2b(document.encode(), digest_size=8).digest(), "big") % 200
    return "test" if bucket < 2 else "validation" if bucket == 2 else "train"


def repeats_of(source: str, document: str) -> int:
    """How often `document` stands in a training pass; its hash settles a fraction."""
    wanted = REPEATS.get(source, 1.0)
    whole = int(wanted)
    digest = blake2b(b"repeat" + document.encode(), digest_size=4).digest()
    return whole + (int.from_bytes(digest, "big") / 2**32 < wanted - whole)


def document_files(folder: Path) -> list[Path]:
    """The `completion_*.txt.xz` files of `folder`, sorted; raises DataError for none."""
    files = sorted(folder.glob("completion_*.txt.xz"))
    if not files:
        raise DataError(
            str(folder),
            "must hold completion_*.txt.xz",
            found="none",
            do="point --data at the folder that holds the training data",
        )
    return files


def source_name(path: Path) -> str:
    """`completion_reddit` for `completion_reddit.txt.xz`."""
    return path.name.removesuffix(".txt.xz")


def read_documents(path: Path) -> Iterator[str]:
    """The documents of one file, without masked sentences."""
    try:
        with lzma.open(path, "rt", encoding="utf-8", newline="\n") as stream:
            text = stream.read()
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            str(path), "must be xz-compressed UTF-8", found=str(error), do="copy the file again"
        ) from error
    for document in split_documents(text):
        kept = without_masks(document)
        if kept:
            yield kept
