"""The tensors of a model directory: where they lie, and which of them a builder took."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extbuild.errors import SourceError
from extbuild.source.safetensors_file import StoredTensor, read_header

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
IGNORED_SUFFIXES = (".position_ids", ".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""Buffers that old versions of transformers stored beside the weights."""


@dataclass(slots=True)
class Checkpoint:
    """The tensors of a directory; remembers which were taken, so that leftovers are noticed."""

    place: str
    tensors: Mapping[str, StoredTensor]
    taken: set[str] = field(default_factory=set)
    unneeded: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, files: list[Path]) -> "Checkpoint":
        """The tensors of one file or of several parts; SourceError if a file is not whole."""
        tensors: dict[str, StoredTensor] = {}
        for file in files:
            tensors.update(read_header(file))
        return cls(str(files[0]), tensors)

    def repeated(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Like :meth:`take`, for a tensor that is stored twice: it counts no parameters."""
        value = self.take(name, shape)
        self.taken.discard(name)
        self.unneeded.add(name)
        return value

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The tensor as float32; SourceError if it is missing or has another shape."""
        stored = self.tensors.get(name)
        if stored is None:
            close = difflib.get_close_matches(name, self.tensors, n=1)
            do = "use the config.json that belongs to these weights"
            if close:
                do += f" (nearest name in the file: {close[0]})"
            raise SourceError(self.place, f"lacks the tensor {name}", do=do)
        stored.check_shape(shape)
        self.taken.add(name)
        return stored.read()

    def root(self, name: str, roots: tuple[str, ...]) -> str:
        """The one of ``roots`` that stands before ``name`` in this file; the first if none does."""
        return next((root for root in roots if f"{root}{name}" in self.tensors), roots[0])

    def drop(self, prefix: str) -> None:
        """Tensors that begin with ``prefix`` have no part in what is built."""
        self.unneeded |= {name for name in self.tensors if name.startswith(prefix)}

    def params(self) -> int:
        """Number of weights taken; a head that merely repeats a tied table is not taken."""
        return sum(math.prod(self.tensors[name].shape) for name in self.taken)

    def leftovers(self) -> list[str]:
        """Tensors that the graph has no place for."""
        return [
            name
            for name in self.tensors
            if name not in self.taken | self.unneeded and not name.endswith(IGNORED_SUFFIXES)
        ]


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a directory in a fixed order; empty if it has none."""
    single, index = directory / WEIGHTS_FILE, directory / INDEX_FILE
    if single.is_file():
        return [single]
    if not index.is_file():
        return []
    try:
        names = sorted(
            {str(name) for name in json.loads(index.read_bytes())["weight_map"].values()}
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise SourceError(
            str(index), "must hold a weight_map", found=str(error), do="copy the file again"
        ) from error
    for name in names:
        if not (directory / name).is_file():
            raise SourceError(str(directory / name), f"is missing, though {INDEX_FILE} names it")
    return [directory / name for name in names]
