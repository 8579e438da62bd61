"""Quantisation-aware training: steps are taken at the weights that will ship.

The pass ``block_4bit`` rounds each block of a matrix to sixteen values (compress/kernels.py). A
network that meets its rounded weights in training learns to live with them. Straight-through
estimator (Bengio et al. 2013, arXiv:1308.3432): gradients are taken at the rounded weights and
applied to the exact ones, which go on collecting changes that are smaller than a rounding step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from extbuild.compress.kernels import SHRINK

REFRESH_STEPS = 100
"""Steps between two searches for the best scales; in between they follow the largest value."""


class BlockGrid:
    """The matrices of a network that are trained for 4-bit blocks, and their rounding.

    ``block`` values along the last axis, the inputs, share a scale. Zero points stay at 8: the pass
    stores others only where they pay, which after this training they do not.
    """

    def __init__(self, matrices: Mapping[str, nn.Parameter], block: int) -> None:
        for name, matrix in matrices.items():
            if matrix.dim() != 2 or matrix.shape[1] % block:
                raise ValueError(f"{name}: blocks of {block} do not divide {tuple(matrix.shape)}")
        self.block = block
        self._matrices = dict(matrices)
        self._exact = {name: torch.empty_like(matrix) for name, matrix in matrices.items()}
        self._shrinks: dict[str, Tensor] = {}

    @torch.no_grad()
    def refresh(self) -> None:
        """Search the scales that lose least, block by block, as the pass does."""
        for name, matrix in self._matrices.items():
            self._shrinks[name] = best_shrinks(self._blocks(matrix))

    @contextmanager
    def rounded(self) -> Iterator[None]:
        """Inside, the network's matrices are those that would ship; afterwards the exact ones."""
        if not self._shrinks:
            self.refresh()
        with torch.no_grad():
            for name, matrix in self._matrices.items():
                self._exact[name].copy_(matrix)
                matrix.copy_(on_grid(self._blocks(matrix), self._shrinks[name]).view_as(matrix))
        try:
            yield
        finally:
            with torch.no_grad():
                for name, matrix in self._matrices.items():
                    matrix.copy_(self._exact[name])

    def state(self) -> dict[str, Tensor]:
        """What an exact resume needs beside the weights."""
        return dict(self._shrinks)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state`."""
        self._shrinks = {
            name: shrinks.to(self._matrices[name].device) for name, shrinks in state.items()
        }

    def _blocks(self, matrix: Tensor) -> Tensor:
        return matrix.view(matrix.shape[0], -1, self.block)


def on_grid(values: Tensor, shrinks: Tensor) -> Tensor:
    """``values`` (rows, blocks, block) rounded; ``shrinks`` (rows, blocks, 1) as in kernels.SHRINK.

    The same rule as kernels.quantize_blocks without zero points: the largest value of a block is 0
    of 0..15, scales are numbers of float16.
    """
    at = values.abs().argmax(dim=-1, keepdim=True)
    full = values.gather(-1, at) / -8
    scale = (full * shrinks).to(torch.float16).to(values.dtype)
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return torch.round(values / scale).clamp_(-8, 7).mul_(scale)


def best_shrinks(values: Tensor) -> Tensor:
    """For each block the fraction of its full range that loses least; (rows, blocks, 1)."""
    best = torch.ones_like(values[..., :1])
    least = torch.full_like(best, torch.inf)
    for shrink in SHRINK.tolist():
        tried = torch.full_like(best, shrink)
        loss = (on_grid(values, tried) - values).square_().sum(dim=-1, keepdim=True)
        is_better = loss < least
        best = torch.where(is_better, tried, best)
        least = torch.where(is_better, loss, least)
    return best
