"""An average of the weights of the last steps, which generalises better than the last one alone.

Exponential moving average (Polyak & Juditsky 1992; as used for networks by Tarvainen & Valpola
2017, arXiv:1703.01780).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The running average of all parameters of ``network``.

    Each step's weights count ``1 - decay``; in the first steps more, so that the start is not
    remembered longer than it should.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"WeightAverage: decay must be in 0 .. 1, got {decay}")
        self.decay = decay
        self._steps = 0
        self._network = network
        self._mean = {name: p.detach().clone() for name, p in network.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Count the network's present weights in."""
        self._steps += 1
        decay = min(self.decay, self._steps / (self._steps + 10))
        for name, parameter in self._network.named_parameters():
            self._mean[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the network has the average weights; afterwards its own again."""
        own = {name: p.detach().clone() for name, p in self._network.named_parameters()}
        self._copy(self._mean)
        try:
            yield
        finally:
            self._copy(own)

    def keep(self) -> None:
        """Give the network the average for good."""
        self._copy(self._mean)

    def state(self) -> dict[str, Tensor]:
        """What an exact resume needs."""
        return {**self._mean, _STEPS: torch.tensor(self._steps)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state`."""
        self._steps = int(state[_STEPS])
        for name, mean in self._mean.items():
            mean.copy_(state[name])

    @torch.no_grad()
    def _copy(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self._network.named_parameters():
            parameter.copy_(weights[name])


_STEPS = "<steps>"
