"""Weights to begin with: those of a model directory that an earlier run wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from extbuild.errors import DataError


def read_weights(folder: Path) -> Mapping[str, Tensor]:
    """The tensors of ``model.safetensors`` in a model directory, as float32."""
    path = folder / "model.safetensors"
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except FileNotFoundError as error:
        raise DataError(
            str(path), "must be there to begin with", do="give --init a model directory"
        ) from error
    except SafetensorError as error:
        raise DataError(
            str(path), "must be a safetensors file", found=str(error), do="copy the file again"
        ) from error


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], place: str) -> None:
    """Copy ``weights`` into the parameters of the same names; DataError where one does not fit."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            found = weights.get(name)
            if found is None or found.shape != parameter.shape:
                raise DataError(
                    f"{place}: {name}",
                    f"must have the shape {tuple(parameter.shape)}",
                    found="nothing" if found is None else str(tuple(found.shape)),
                    do="begin with a model of this shape and vocabulary, or without --init",
                )
            parameter.copy_(found)
